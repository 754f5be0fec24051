// Numbers as people read them: what is not known, loads that add up as shown, and text that does not flicker.

export const UNKNOWN = '–'; // what was not measured (null, or NaN in an array), and what is no number: never 0

const known = (value, write) => (Number.isFinite(value) ? write() : UNKNOWN);

// So many digits behind the point, and so many that say something.
/** @type {(value: number | null | undefined, digits: number) => string} */
export const fixed = (value, digits) => known(value, () => value.toFixed(digits));
/** @type {(value: number | null | undefined, digits: number) => string} */
export const precise = (value, digits) => known(value, () => value.toPrecision(digits));

// In as few of six digits as say it: 10, 0.003, 1e-05.
/** @type {(value: number) => string} */
export function shortest(value) {
  const rounded = Number(value.toPrecision(6));
  if (rounded === 0 || Math.abs(rounded) >= 1e-4) return String(rounded);
  return rounded.toExponential().replace(/-(\d)$/, '-0$1');
}

// Loads rounded so that the shown digits add up to the rounded total (largest remainders get the leftover units). What is
// said of one token is never rounded so: its probability would not be the one in its formula.
/** @type {(values: Values, digits?: number) => number[]} */
export function roundedShares(values, digits = 2) {
  const unit = 10 ** digits;
  const exact = Array.from(values, (value) => value * unit);
  const whole = exact.map(Math.floor);
  let left = Math.round(exact.reduce((sum, each) => sum + each, 0)) - whole.reduce((sum, each) => sum + each, 0);
  const order = [...exact.keys()].sort((a, b) => exact[b] - whole[b] - (exact[a] - whole[a]));
  for (const index of order) {
    if (left <= 0) break;
    whole[index] += 1;
    left -= 1;
  }
  return whole.map((each) => each / unit);
}

// A probability or a weight, in two digits; without the leading zero where room is short.
/** @type {(value: number | null | undefined, short?: boolean) => string} */
export function share(value, short = false) {
  const text = fixed(value, 2);
  return short ? text.replace(/^0/, '') : text;
}

/** @type {(value: number | null | undefined, digits?: number) => string} */
export const percent = (value, digits = 0) => known(value, () => (100 * value).toFixed(digits));

// Loads in percent, as every picture writes them: they add up to 100, and little is told from nothing.
/** @type {(shares: Values) => string[]} */
export function percents(shares) {
  return roundedShares(shares).map((shown, at) => (shares[at] > 0 && shown === 0 ? '<1' : percent(shown)));
}

/** @type {(value: number | null | undefined) => string} */
export const count = (value) => known(value, () => value.toLocaleString('en-US').replaceAll(',', '\u202f'));

// True at most once per `pause` ms: for text, which cannot be read at thirty changes a second.
export class Throttle {
  /** @param {number} pause */
  constructor(pause) {
    this.pause = pause;
    this.last = -Infinity;
  }

  get due() {
    return performance.now() - this.last >= this.pause;
  }

  ready() {
    if (!this.due) return false;
    this.last = performance.now();
    return true;
  }
}

// Whether what was drawn from the frame `seen` is out of date and may be asked for: at once while the run stands still.
/** @type {(seen: { header: Header } | null | undefined, header: Header | null | undefined, throttle: { due: boolean }) => boolean} */
export function outdated(seen, header, throttle) {
  if (!seen || !header) return true;
  const changed = ['step', 'revision', 'data_version'].some((name) => seen.header[name] !== header[name]);
  return changed && (header.state !== 'running' || throttle.due);
}

// Does something at most once per `pause` ms, and always does the last of it.
export class Calm {
  /** @param {number} pause */
  constructor(pause) {
    this.throttle = new Throttle(pause);
  }

  run(action) {
    clearTimeout(this.timer);
    if (this.throttle.ready()) action();
    else this.timer = setTimeout(() => this.run(action), this.throttle.pause);
  }

  stop() {
    clearTimeout(this.timer);
  }
}

/** @type {(element: Node, text: string) => void} */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
