// Decoder of the binary frames (moeviz/frames/packing.py): a JSON header, then arrays that are looked at in place, never copied.

const TYPES = { u1: Uint8Array, i2: Int16Array, i4: Int32Array, f4: Float32Array };
const MAGIC = 'MOE1';

// One array of a frame: `data` is flat, `of(r)` is the part of run r; an array with one axis belongs to all runs alike.
class FrameArray {
  /** @param {NumberArray} data @param {number[]} shape */
  constructor(data, shape) {
    this.data = data;
    this.shape = shape;
    this.stride = shape.slice(1).reduce((product, each) => product * each, 1);
  }

  of(run) {
    return this.shape.length === 1 ? this.data : this.data.subarray(run * this.stride, (run + 1) * this.stride);
  }
}

/** @type {(buffer: ArrayBuffer) => Frame} */
export function decodeFrame(buffer) {
  const bytes = new Uint8Array(buffer);
  const text = new TextDecoder();
  if (bytes.length < 8 || text.decode(bytes.subarray(0, 4)) !== MAGIC) {
    throw new Error(`a frame must begin with ${MAGIC}: got ${bytes.length} other bytes; reload the page`);
  }
  const headerBytes = new DataView(buffer).getUint32(4, true);
  const header = JSON.parse(text.decode(bytes.subarray(8, 8 + headerBytes)));
  const arrays = /** @type {any} */ ({}); // as the fields of moeviz/frames say
  for (const [name, type, shape, offset] of header.arrays) {
    const count = shape.reduce((product, each) => product * each, 1);
    arrays[name] = new FrameArray(new TYPES[type](buffer, offset, count), shape);
  }
  return { header, arrays };
}
