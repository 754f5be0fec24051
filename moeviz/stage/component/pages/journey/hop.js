// The probe's ring where a token is picked: it lands on test tokens, and the arrow keys hop from one to the next.

import { ProbeHandle } from '../../maps/handle.js';

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
const SETTLE = 400; // ms after the last arrow key until Python is told
const APART = 2e-3; // nearer than this is the same token

export class TokenHandle extends ProbeHandle {
  use(view, header, points) {
    this.points = points;
    super.use(view, header);
  }

  // Places of the test tokens on the picture; on a line only their input counts.
  /** @returns {Point[]} */
  places() {
    const { points } = this;
    if (!points) return [];
    return [...points.train.keys()]
      .filter((index) => !points.train[index])
      .map((index) => [points.xy[2 * index], this.flat ? 0 : points.xy[2 * index + 1]]);
  }

  end(event) {
    if (event && this.tapped) this.follow(event);
    const finished = this.dragging || (event && this.tapped);
    this.dragging = false;
    this.tapped = false;
    if (finished && this.position) this.land(nearest(this.places(), this.position));
  }

  key(event) {
    const direction = ARROWS[event.key];
    if (!direction || !this.position || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const next = ahead(this.places(), this.position, direction);
    if (!next) return;
    this.moveTo(rounded(next));
    clearTimeout(this.settle);
    this.settle = setTimeout(() => this.on.release(this.position), SETTLE);
  }

  surprise() {
    const [x, y] = this.position ?? [0, 0];
    const others = this.places().filter((place) => Math.hypot(place[0] - x, place[1] - y) > APART);
    if (others.length) this.land(others[Math.floor(Math.random() * others.length)]);
  }

  land(place) {
    if (!place) return;
    this.moveTo(rounded(place));
    this.on.release(this.position);
  }
}

// As the address has it, so that the address leads to the same numbers.
const rounded = (place) => place.map((each) => Number(each.toFixed(3)));

/** @type {(places: Point[], place: Point) => Point | undefined} */
export function nearest(places, [x, y]) {
  const far = (place) => Math.hypot(place[0] - x, place[1] - y);
  return places.reduce((best, place) => (best && far(best) <= far(place) ? best : place), null);
}

// The nearest place in a direction, within 45 degrees of it.
/** @type {(places: Point[], place: Point, direction: Point) => Point | undefined} */
export function ahead(places, [x, y], [right, up]) {
  const inFront = places.filter(([px, py]) => {
    const along = (px - x) * right + (py - y) * up;
    const aside = Math.abs((px - x) * up) + Math.abs((py - y) * right);
    return along > APART && along >= aside;
  });
  return nearest(inFront, [x, y]);
}
