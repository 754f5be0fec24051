// A canvas that keeps the size of its box in real pixels; drawing code works in CSS pixels.

export class Surface {
  /** @param {HTMLCanvasElement} canvas @param {() => void} onResize */
  constructor(canvas, onResize) {
    this.canvas = canvas;
    this.context = canvas.getContext('2d');
    this.width = 0;
    this.height = 0;
    this.observer = new ResizeObserver(() => this.measure() && onResize());
    this.observer.observe(canvas);
    this.measure();
  }

  // True when the size changed (and with it the picture was lost).
  measure() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const ratio = devicePixelRatio || 1;
    if (width === this.width && height === this.height && ratio === this.ratio) return false;
    this.width = width;
    this.height = height;
    this.ratio = ratio;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    return true;
  }

  // The context, cleared and scaled; `layer` is another canvas of the same size.
  /** @param {HTMLCanvasElement | OffscreenCanvas} layer @returns {Pen} */
  begin(layer = this.canvas) {
    const context = layer === this.canvas ? this.context : /** @type {Pen} */ (layer.getContext('2d'));
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    context.clearRect(0, 0, this.width, this.height);
    return context;
  }

  layer() {
    return new OffscreenCanvas(Math.max(this.canvas.width, 1), Math.max(this.canvas.height, 1));
  }

  close() {
    this.observer.disconnect();
  }
}
