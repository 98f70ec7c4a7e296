/** Where this device is. CGCS2000 and WGS 84 agree to centimetres, so the device's place is used as it is. */
import { t } from '@/i18n'

export function myLocation(): Promise<{ lon: number; lat: number; accuracyM: number }> {
  return new Promise((found, failed) => {
    if (!('geolocation' in navigator)) return failed(new Error(t('noLocation')))
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => found({ lon: coords.longitude, lat: coords.latitude, accuracyM: coords.accuracy }),
      (error) => failed(new Error(error.code === error.PERMISSION_DENIED ? t('locationDenied') : t('noLocation'))),
      { enableHighAccuracy: true, timeout: 12_000, maximumAge: 10_000 },
    )
  })
}
