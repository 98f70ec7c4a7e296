/** Opening the map: the place of a shared link or the whole city, then everything that lives on it. */
import { watch } from 'vue'
import { followEvents } from '@/events/state'
import { here, lookAt } from '@/identify/state'
import { setUpImportLayer } from '@/imports/on-map'
import { followAddress, wanted } from '@/imports/state'
import { choose, fullExtent, isLoaded, opacity, visible } from '@/layers/state'
import { begin } from '@/shell/beginning'
import { isPhone, isWide, pane, sheet, treeOpen } from '@/shell/panes'
import { followStations } from '@/stations/state'
import { clock } from '@/time/clock'
import { followClock } from '@/time/travel'
import { followTool } from '@/tools/drawing'
import { cityMap, makeMap, threeD, view } from './city-map'
import { setUpEventsLayer } from './events-layer'
import { setPadding, setUpHighlight } from './highlight'
import { setUpPointer } from './pointer'
import { startSwipeOfMap, stopSwipe, swipe } from './swipe'
import { setUpStationsLayer } from './stations-layer'
import { read, write } from './view-link'

/** The middle of China, until the city says where it is. */
const START: [number, number] = [104.2, 35.9]

const LINK_WAIT_MS = 250

export function openMap(container: HTMLElement): void {
  const shared = read(location.hash)
  if (shared.visible) choose(shared.visible)
  Object.assign(opacity, shared.opacity)
  threeD.value = shared.threeD
  clock.wanted = clock.shown = past(shared.at)
  clock.open = clock.wanted !== null || shared.with !== undefined
  const at = shared.view
  makeMap({
    container,
    center: at ? [at.lon, at.lat] : START,
    zoom: at?.zoom ?? 3.5,
    bearing: at?.bearing,
    pitch: at?.pitch,
  })
  setPadding(paddingOfPanes)
  setUpStationsLayer()
  setUpEventsLayer()
  setUpImportLayer()
  setUpHighlight()
  setUpPointer()
  followTool()
  followEvents()
  window.addEventListener('hashchange', follow)
  if (!at) watch(isLoaded, showCity, { once: true })
  void begin().then(() => {
    followStations()
    followClock()
    if (shared.with !== undefined) startSwipeOfMap(past(shared.with))
    if (shared.here) void lookAt(shared.here.lon, shared.here.lat)
    followAddress(shared.run)
    keepLink()
  })
}

/** Somebody pasted another link into the address bar of the open page. */
function follow(): void {
  const { view: at, visible: wanted, opacity: faded, threeD: extruded, at: moment, with: other } = read(location.hash)
  clock.wanted = past(moment)
  if (other !== undefined) startSwipeOfMap(past(other))
  else if (swipe.isOfMap) stopSwipe()
  if (wanted) choose(wanted)
  Object.assign(opacity, faded)
  threeD.value = extruded
  if (at) {
    const { zoom, bearing, pitch } = at
    cityMap.value?.jumpTo({ center: [at.lon, at.lat], zoom, bearing, pitch })
  }
}

/** The future is not known: what lies there is now. */
function past(at: number | null): number | null {
  return at !== null && at < Date.now() ? at : null
}

/** The whole city. */
function showCity(): void {
  const map = cityMap.value
  if (!map || !fullExtent.value) return
  const [west, south, east, north] = fullExtent.value
  // Wide as it is, it lies below a phone's buttons.
  const padding = isPhone.value ? { ...paddingOfPanes(), right: 24 } : paddingOfPanes()
  map.fitBounds([[west, south], [east, north]], { padding, animate: false })
}

function paddingOfPanes() {
  if (isPhone.value) {
    const covered = sheet.value === 'half' ? window.innerHeight * 0.46 : 20
    return { top: 130, right: 68, bottom: pane.value || treeOpen.value ? covered + 20 : 40, left: 24 }
  }
  return { top: 40, right: isWide.value ? 620 : pane.value ? 430 : 90, bottom: 50, left: treeOpen.value ? 330 : 80 }
}

/** What is seen now, as the part of an address after `#`. */
function linkNow(): string {
  const { zoom, lat, lon, bearing, pitch } = view
  return write({
    view: { zoom, lat, lon, bearing, pitch },
    visible: [...visible],
    opacity: { ...opacity },
    threeD: threeD.value,
    here: here.place,
    at: clock.wanted,
    with: swipe.isOfMap ? swipe.at : undefined,
    run: wanted.value,
  })
}

function keepLink(): void {
  let timer: ReturnType<typeof setTimeout> | undefined
  const keep = () => history.replaceState(history.state, '', linkNow())
  watch([() => view.moves, () => [...visible], () => ({ ...opacity }), threeD, () => here.place, () => clock.wanted, () => [swipe.isOfMap, swipe.at], wanted], () => {
    clearTimeout(timer)
    timer = setTimeout(keep, LINK_WAIT_MS)
  })
}
