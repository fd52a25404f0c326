/** Pictures as SVG: just what the plots of the report need. */

/** Attributes of an element; numbers are rounded to a hundredth. */
export type Attributes = Readonly<Record<string, string | number>>;

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

export function escapeText(text: string): string {
  return text.replace(/[&<>"]/g, (character) => ESCAPES[character] ?? character);
}

function formatValue(value: string | number): string {
  return typeof value === 'number' ? String(Math.round(value * 100) / 100) : escapeText(value);
}

/** An element with what is in it, which is SVG already. */
export function element(name: string, attributes: Attributes, ...content: readonly string[]): string {
  const text = Object.entries(attributes).map(([key, value]) => ` ${key}="${formatValue(value)}"`);
  return content.length === 0 ? `<${name}${text.join('')}/>` : `<${name}${text.join('')}>${content.join('')}</${name}>`;
}

export function text(x: number, y: number, content: string, attributes: Attributes = {}): string {
  return element('text', { x, y, ...attributes }, escapeText(content));
}

const FONT = 'font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif';

/** A picture that stands by itself, also in a file. `title` is for who cannot see it. */
export function picture(width: number, height: number, title: string, content: readonly string[]): string {
  return element(
    'svg',
    {
      ...{ xmlns: 'http://www.w3.org/2000/svg', viewBox: `0 0 ${width} ${height}`, width, height, role: 'img' },
      ...{ style: FONT, 'font-size': 12, fill: '#333' },
    },
    element('title', {}, escapeText(title)),
    element('rect', { width, height, fill: '#fff', rx: 6 }),
    ...content,
  );
}

/** From values to places. */
export interface Scale {
  (value: number): number;
  /** Where lines and labels go. */
  readonly ticks: readonly number[];
}

/** Equal ratios are equal distances. Ends are rounded outwards to 1, 2 or 5 times a power of ten. */
export function logScale(values: readonly number[], from: number, to: number): Scale {
  const positive = values.filter((value) => value > 0 && Number.isFinite(value));
  const least = roundDown(Math.min(...positive));
  const most = roundUp(Math.max(...positive, least * 2));
  const span = Math.log(most / least);
  const scale = (value: number): number => from + ((to - from) * Math.log(Math.max(value, least) / least)) / span;
  const steps = Math.log10(most / least) > 2.5 ? [1] : [1, 2, 5];
  const ticks: number[] = [];
  for (let power = Math.floor(Math.log10(least)); power <= Math.ceil(Math.log10(most)); power++) {
    for (const step of steps) {
      const tick = step * 10 ** power;
      if (tick >= least * 0.999 && tick <= most * 1.001) ticks.push(tick);
    }
  }
  return Object.assign(scale, { ticks });
}

/** From 0 on. */
export function linearScale(values: readonly number[], from: number, to: number): Scale {
  const most = Math.max(...values.filter(Number.isFinite), 0) || 1;
  const step =
    [1, 2, 2.5, 5, 10]
      .map((factor) => factor * 10 ** Math.floor(Math.log10(most / 4)))
      .find((one) => most / one <= 5) ?? most;
  const end = Math.ceil(most / step - 1e-9) * step;
  const scale = (value: number): number => from + ((to - from) * value) / end;
  return Object.assign(scale, { ticks: Array.from({ length: Math.round(end / step) + 1 }, (_, i) => i * step) });
}

function roundDown(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * ([5, 2, 1].find((step) => step * power <= value * 1.0001) ?? 1);
}

function roundUp(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * ([1, 2, 5, 10].find((step) => step * power >= value * 0.9999) ?? 10);
}

/** 1500 → `1.5k`. */
export function short(value: number): string {
  const [divisor, unit] = value >= 1e6 ? [1e6, 'M'] : value >= 1e3 ? [1e3, 'k'] : [1, ''];
  return `${Number((value / divisor).toPrecision(3))}${unit}`;
}

/** µs as people say it. */
export function duration(us: number): string {
  if (us >= 1e6) return `${Number((us / 1e6).toPrecision(3))} s`;
  return us >= 1000 ? `${Number((us / 1000).toPrecision(3))} ms` : `${Number(us.toPrecision(3))} µs`;
}
