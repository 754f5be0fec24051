// The ring that marks the probe on the picture: dragged by pointer, moved by arrow keys, tapped on a phone.

const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
const KEY_STEP = 1 / 40; // of the picture's half-width; with Shift four times as far
const SETTLE = 400; // ms after the last arrow key until Python is told
const OWN_WORD = 300; // ms after a move during which an older frame's position is not believed

export class ProbeHandle {
  // `field` is the box around the canvas, `on` has move([x, y]) and release([x, y]), or is null.
  /**
   * @param {HTMLElement} field
   * @param {HTMLElement} ring
   * @param {{ move(at: Point): void, release(at: Point): void } | null} on
   */
  constructor(field, ring, on) {
    this.field = field;
    this.ring = ring;
    this.on = on;
    this.position = null;
    this.movedAt = 0;
    this.dragging = false;
    if (!on) return; // it stays where it is
    field.onpointerdown = (event) => this.start(event);
    field.onpointermove = (event) => this.dragging && this.follow(event);
    field.onpointerup = (event) => this.end(event);
    field.onpointercancel = () => this.end(null);
    field.onkeydown = (event) => this.key(event);
  }

  use(view, header) {
    this.view = view;
    this.extent = header.extent;
    this.flat = header.view === 'curve';
    const ours = this.dragging || performance.now() - this.movedAt < OWN_WORD;
    if (!ours && header.probe) this.position = header.probe;
    this.place();
  }

  place() {
    const anchor = this.position && this.view.anchor(this.position);
    this.ring.hidden = !anchor;
    this.shape(this.view.box);
    if (!anchor) return;
    const [x, y] = anchor;
    this.ring.style.transform = `translate(${x.toFixed(1)}px, ${y.toFixed(1)}px)`;
  }

  // A ring, or a box where a view says how large.
  shape(box) {
    this.ring.classList.toggle('mv-box', Boolean(box));
    (box ?? []).forEach((size, axis) => this.ring.style.setProperty(`--mv-box-${'xy'[axis]}`, `${Math.round(size)}px`));
  }

  start(event) {
    const onRing = event.target.closest('.mv-ring') !== null;
    if (!this.view || this.ring.hidden || event.button !== 0) return;
    this.dragging = onRing || event.pointerType === 'mouse'; // a finger beside the ring may want to scroll: it only taps
    this.tapped = !this.dragging;
    if (!this.dragging) return;
    this.field.setPointerCapture(event.pointerId);
    this.field.focus({ preventScroll: true });
    event.preventDefault();
    this.follow(event);
  }

  follow(event) {
    const box = this.field.getBoundingClientRect();
    this.moveTo(this.view.toView(event.clientX - box.left, event.clientY - box.top));
  }

  end(event) {
    if (event && this.tapped) this.follow(event);
    const finished = this.dragging || (event && this.tapped);
    this.dragging = false;
    this.tapped = false;
    if (finished && this.position) this.on.release(this.position);
  }

  key(event) {
    const direction = KEYS[event.key];
    if (!direction || !this.position || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const step = KEY_STEP * this.extent * (event.shiftKey ? 4 : 1);
    const [x, y] = this.position;
    this.moveTo(this.view.moved?.(this.position, direction) ?? [x + direction[0] * step, y + direction[1] * step]);
    clearTimeout(this.settle);
    this.settle = setTimeout(() => this.on.release(this.position), SETTLE);
  }

  moveTo([x, y]) {
    const inside = (value) => Math.min(Math.max(value, -this.extent), this.extent);
    this.position = this.view.nearest?.([x, y]) ?? [inside(x), this.flat ? 0 : inside(y)];
    this.movedAt = performance.now();
    this.place();
    this.on.move(this.position);
  }

  close() {
    clearTimeout(this.settle);
  }
}
