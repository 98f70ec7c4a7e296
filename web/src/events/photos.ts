/** Photos small enough for a phone's uplink, sharp enough to judge a broken cover. */

const LONGEST_SIDE_PX = 1920
const QUALITY = 0.82

/** `file` as a JPEG of at most 1920 px; the file itself where the browser cannot read it. */
export async function smallerPhoto(file: File): Promise<Blob> {
  try {
    const picture = await createImageBitmap(file)
    const scale = Math.min(1, LONGEST_SIDE_PX / Math.max(picture.width, picture.height))
    const canvas = document.createElement('canvas')
    canvas.width = Math.round(picture.width * scale)
    canvas.height = Math.round(picture.height * scale)
    canvas.getContext('2d')?.drawImage(picture, 0, 0, canvas.width, canvas.height)
    picture.close()
    const smaller = await new Promise<Blob | null>((made) => canvas.toBlob(made, 'image/jpeg', QUALITY))
    return smaller ?? file
  } catch {
    return file
  }
}
