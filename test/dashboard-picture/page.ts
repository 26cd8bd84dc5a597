/** The whole dashboard as one page of HTML. */
import { dashboard, type Panel } from '../support/dashboard.js'
import { drawPanel, type Line, type Span } from './panels.js'

const COLUMN_PX = 58
const ROW_PX = 30
const GAP_PX = 8
const COLUMNS = 24

const STYLE = `
body { margin: 0; background: #111217; font-family: 'DejaVu Sans', sans-serif; }
text { fill: #ccccdc; font-size: 11px; }
.title { font-size: 13px; font-weight: bold; }
.long { font-size: 10px; font-weight: bold; }
.stat { font-size: 30px; text-anchor: middle; fill: #73bf69; }
.tick { text-anchor: end; fill: #8e8e9c; font-size: 10px; }
.time { fill: #8e8e9c; font-size: 10px; text-anchor: middle; }
.row { font-size: 15px; }
`

export const WIDTH_PX = COLUMNS * COLUMN_PX

/** @param linesOf what the targets of a panel gave. */
export function drawPage(linesOf: ReadonlyMap<Panel, Line[]>, span: Span): string {
  const bottom = Math.max(...dashboard.panels.map(({ gridPos: { y, h } }) => y + h))
  const panels = dashboard.panels.map((panel) => {
    const { x, y, w, h } = panel.gridPos
    const frame = { width: w * COLUMN_PX - GAP_PX, height: h * ROW_PX - GAP_PX }
    const inside =
      panel.type === 'row'
        ? `<text class="row" x="4" y="18">${panel.title}</text>`
        : `<rect width="${frame.width}" height="${frame.height}" fill="#181b1f" stroke="#2c3235"/>` +
          drawPanel(panel, linesOf.get(panel) ?? [], span, frame)
    return `<svg x="${x * COLUMN_PX + GAP_PX / 2}" y="${y * ROW_PX + GAP_PX / 2}" width="${frame.width}" height="${frame.height}">${inside}</svg>`
  })
  const size = `width="${WIDTH_PX}" height="${bottom * ROW_PX}"`
  return `<!doctype html><meta charset="utf-8"><style>${STYLE}</style><svg xmlns="http://www.w3.org/2000/svg" ${size}>${panels.join('')}</svg>`
}
