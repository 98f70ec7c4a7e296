import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync } from 'node:zlib'
import vue from '@vitejs/plugin-vue'
import type { Plugin } from 'vite'
import { defineConfig } from 'vitest/config'

/** Where `npm run dev` finds the service; the built page is served by the service itself. */
const service = process.env.SERVICE ?? 'http://127.0.0.1:8000'

/** Beside each text its brotli form, a sixth lighter than gzip, which the service hands to those who take it. */
const brotli: Plugin = {
  name: 'brotli',
  apply: 'build',
  writeBundle({ dir }, bundle) {
    for (const [name, file] of Object.entries(bundle)) {
      if (!/\.(js|css|html|svg)$/.test(name)) continue
      const content = file.type === 'chunk' ? file.code : file.source
      writeFileSync(join(dir ?? 'dist', `${name}.br`), brotliCompressSync(Buffer.from(content)))
    }
  },
}

export default defineConfig({
  plugins: [vue(), brotli],
  resolve: { alias: { '@': fileURLToPath(new URL('./src', import.meta.url)) } },
  build: {
    target: 'es2022',
    chunkSizeWarningLimit: 1300, // MapLibre alone is 1.1 MB and cannot be split
  },
  worker: { format: 'es' },
  server: {
    host: '127.0.0.1',
    fs: { allow: ['.', '../layers/known'] },
    proxy: Object.fromEntries(
      ['/api', '/tiles', '/styles', '/ogc', '/about', '/healthz'].map((path) => [path, service]),
    ),
  },
  test: { include: ['tests/**/*.test.ts'], environment: 'node' },
})
