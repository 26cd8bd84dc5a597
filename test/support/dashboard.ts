/** The shipped dashboard as Grafana asks for it. */
import { readFileSync } from 'node:fs'

export interface Panel {
  readonly title: string
  readonly type: string
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
  readonly fieldConfig?: { readonly defaults?: { readonly unit?: string } }
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[]
}

export interface Dashboard {
  readonly panels: readonly Panel[]
  readonly annotations: { readonly list: readonly { readonly name: string; readonly expr: string }[] }
}

export const dashboard = JSON.parse(
  readFileSync(new URL('../../deploy/grafana/wazo-websocketd.json', import.meta.url), 'utf8'),
) as Dashboard

/** Every expression, with the title of its panel, as Grafana sends it with all hosts selected. */
export function expressions(interval: string): readonly { readonly title: string; readonly expr: string }[] {
  const all = [
    ...dashboard.panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ title, expr }))),
    ...dashboard.annotations.list.map(({ name: title, expr }) => ({ title, expr })),
  ]
  return all.map(({ title, expr }) => ({ title, expr: filledIn(expr, interval) }))
}

/** An expression as Grafana sends it with all hosts selected. */
export function filledIn(expr: string, interval: string): string {
  return expr.replaceAll('$__rate_interval', interval).replaceAll(/\$(edge|ingest)/g, '.+')
}
