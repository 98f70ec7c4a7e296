import { fileURLToPath } from 'node:url'
import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vitest/config'

/** Where `npm run dev` finds the service; the built page is served by the service itself. */
const service = process.env.SERVICE ?? 'http://127.0.0.1:8000'

export default defineConfig({
  plugins: [vue()],
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
