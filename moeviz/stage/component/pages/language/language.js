// The page Language: test text and the reader's own in the colors of their experts, what the model writes, and tables of who takes what.

import { Bars } from '../../kit/bars.js';
import { expertRows, fillShares } from '../../kit/expertrows.js';
import { oneOfSeveral } from '../../kit/labels.js';
import { LAYERS } from './skeleton.js';
import { placeAll } from '../../charts/place.js';
import { idleWords } from '../../panels/load.js';
import { count, fixed, outdated, percent, percents, setText, Throttle } from '../../kit/numbers.js';
import { letter } from '../../kit/palette.js';
import { TextView, UNKNOWN, written } from './textview.js';

const PAUSES = { text: 100, text_tables: 500, samples: 4000 }; // ms between updates while training runs
const TYPING = 150; // ms after which a text is sent
const AGAIN = 1500; // ms until a text that got lost is sent again
const PER_ROW = 11; // bars in the narrow column beside the text: so many have room for letters like AF
const WIDTH = 64; // characters that the model reads at a time
const BITS = Math.LN2; // nats per bit

/** @implements {Layout} */
export class Language {
  /** @param {Stage} stage */
  constructor(stage) {
    this.stage = stage;
    this.always = true;
    this.drawn = false;
    this.layer = 0;
    const { find } = stage;
    this.find = find;
    this.throttles = Object.fromEntries(Object.entries(PAUSES).map(([name, pause]) => [name, new Throttle(pause)]));
    this.sending = new Throttle(AGAIN);
    this.texts = new TextView(find('texts'), (place) => this.point('text', place));
    this.own = new TextView(find('own-text'), (place) => this.point('own', place));
    this.probs = new Bars(find('prob-bars'), 'Gate probability of each expert for the character pointed at', PER_ROW);
    this.loads = new Bars(find('load-bars'), 'Load of each expert in this layer', PER_ROW);
    /** @type {[which: string, place: number]} */
    this.pointed = ['text', 0];
    find('layers').onclick = ({ target }) => target.dataset.layer && this.choose(Number(target.dataset.layer));
    find('own').oninput = () => {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.give(), TYPING);
    };
    find('own').onkeydown = (event) => event.stopPropagation(); // letters are text here, not keys of the stage
    this.forget();
  }

  get picture() {
    return null; // no map
  }

  forget() {
    this.seen = {};
    this.drawn = false;
  }

  placeCharts(templates, charts) {
    placeAll(this.find('charts'), templates, charts, { match: 'Match of experts and kinds of text' });
  }

  wants(header) {
    const want = Object.keys(PAUSES).filter((name) => outdated(this.seen[name], header, this.throttles[name]));
    return this.find('own').value ? [...want, 'own_text'] : want;
  }

  // Sends the reader's text; what comes back says whether it arrived. An empty one has no readers.
  give() {
    const { value } = this.find('own');
    if (!value) this.silent();
    if (!value || !this.stage.connection.send({ op: 'give', value })) return;
    this.sending.ready();
    this.stage.askSoon();
  }

  silent() {
    this.seen.own = null;
    if (this.pointed[0] === 'own') this.pointed = ['text', 0];
    this.own.draw({ codes: [], experts: [], ids: [], width: WIDTH, titles: [] });
    this.drawProbs();
  }

  choose(layer) {
    this.layer = layer;
    for (const button of this.find('layers').children)
      button.setAttribute('aria-pressed', String(Number(button.dataset.layer) === layer));
    this.seen.again = true;
    this.stage.redraw();
  }

  point(which, place) {
    this.pointed = [which, place];
    this.drawProbs();
  }

  draw(frame) {
    const { header, arrays } = frame;
    /** @type {Record<string, [need: string, draw: (seen: Frame) => void]>} */
    const drawings = {
      text: ['text_char', this.drawText],
      text_tables: ['text_match', this.drawTables],
      samples: ['sample_char', this.drawSamples],
    };
    for (const [name, [need, draw]] of Object.entries(drawings)) {
      if (arrays[need]) {
        if (!this.seen[name] || this.seen[name].frame !== frame) this.throttles[name].ready();
        this.seen[name] = { header, arrays, frame };
        draw.call(this, this.seen[name]);
      } else if (this.seen[name] && this.seen.again) draw.call(this, this.seen[name]);
    }
    this.seen.again = false;
    this.drawOwn(frame);
    this.drawProbs();
  }

  drawText({ header, arrays }) {
    const { kinds } = this.stage.component.data.names;
    const [, layers, windows, width] = arrays.text_expert.shape;
    const of = (name) => this.ofLayer(arrays[name], layers);
    const titles = Array.from(arrays.text_segment.of(0), (kind) => kinds[kind]);
    this.texts.draw({
      codes: this.codes('text'),
      experts: of('text_expert'),
      kept: of('text_kept'),
      ids: header.ids[0],
      width,
      titles: titles.slice(0, windows),
    });
    this.find('waiting').hidden = true;
    this.find('dropped-key').hidden = !header.limited;
    this.drawn = true;
  }

  drawOwn({ header, arrays }) {
    const { value } = this.find('own');
    const same = arrays.own_char && String.fromCodePoint(...arrays.own_char.of(0)) === value;
    if (value && !same && this.sending.due) this.give();
    if (arrays.own_char && value) this.seen.own = { header, arrays };
    const { header: asked, arrays: own } = this.seen.own ?? {};
    if (!own) return;
    this.own.draw({
      codes: this.codes('own'),
      experts: this.ofLayer(own.own_expert, own.own_expert.shape[1]),
      ids: asked.ids[0],
      width: WIDTH,
      titles: [],
    });
  }

  // The characters of the test text or of the reader's own as the model knows them.
  codes(which) {
    const { arrays } = this.seen[which];
    const known = arrays[`${which}_known`]?.of(0);
    return arrays[`${which}_char`].of(0).map((code, at) => (known && !known[at] ? UNKNOWN : code));
  }

  // The part of the first run and of the chosen layer.
  ofLayer(array, layers) {
    const values = array.of(0);
    const size = values.length / layers;
    return values.subarray(this.layer * size, (this.layer + 1) * size);
  }

  drawProbs() {
    const [which, place] = this.pointed;
    const { header, arrays } = this.seen[which] ?? {};
    const prob = arrays?.[`${which}_prob`];
    if (!prob) return;
    const ids = header.ids[0];
    const most = prob.shape.at(-1);
    const codes = this.codes(which);
    const at = Math.min(place, codes.length - 1);
    const shares = Array.from(
      this.ofLayer(prob, prob.shape[1]).subarray(at * most, at * most + ids.length),
      (value) => value / 255,
    );
    const chosen = this.ofLayer(arrays[`${which}_expert`], prob.shape[1])[at];
    const shown = percents(shares);
    const bars = shares.map((share, expert) => ({
      height: share,
      value: shown[expert],
      solid: expert === chosen,
      text: `${letter(ids[expert])} ${shown[expert]} %`,
    }));
    this.probs.draw(ids, bars, []);
    setText(this.find('pointed'), `Gate probability at “${written(codes[at])}”, %`);
    this.texts.mark(which === 'text' ? at : -1);
    this.own.mark(which === 'own' ? at : -1);
  }

  drawTables({ header, arrays }) {
    const { kinds, classes } = this.stage.component.data.names;
    const ids = header.ids[0];
    const layers = arrays.text_match.shape[1];
    const loads = this.ofLayer(arrays.text_load, layers);
    fillShares(expertRows(this.find('kinds'), ids, kinds), this.ofLayer(arrays.text_kind_share, layers));
    fillShares(expertRows(this.find('classes'), ids, classes), this.ofLayer(arrays.text_class_share, layers));
    const top = Math.max(...loads, 1 / ids.length);
    const shown = percents(loads.subarray(0, ids.length));
    const [dead, diedAt] = [header.dead, header.died_at].map(([ofRun]) => ofRun[this.layer]);
    const bars = ids.map((id, expert) => ({
      height: loads[expert] / top,
      value: dead[expert] ? '†' : shown[expert],
      solid: true,
      text: `${letter(id)} ${shown[expert]} %${idleWords(diedAt[expert])}`,
    }));
    this.loads.draw(ids, bars, [{ height: 1 / ids.length / top, label: '', kind: 'fair' }]);
    const [same, chance] = this.ofLayer(arrays.text_repeat, layers);
    const [kind, kindOfCharacter] = this.ofLayer(arrays.text_match, layers);
    const layer = LAYERS[this.layer].toLowerCase();
    setText(this.find('load-title'), `Load in ${layer}, %`);
    setText(this.find('kind-match'), `Match with kinds of text in ${layer} (0-1): ${fixed(kind, 2)}`);
    setText(this.find('class-match'), `Match with kinds of characters in ${layer} (0-1): ${fixed(kindOfCharacter, 2)}`);
    setText(
      this.find('repeat'),
      `Neighbors with the same expert: ${percent(same)} %; by chance it would be ${percent(chance)} % (Σ load²).`,
    );
    this.matches = [kind, kindOfCharacter];
    this.baseline = Array.from(arrays.text_baseline.of(0));
    setText(this.find('several'), oneOfSeveral(header));
    setText(this.find('measured-at'), `At step ${count(header.measured_step)}.`);
    this.drawScores(header);
  }

  drawSamples({ header, arrays }) {
    setText(this.find('written-at'), `written at step ${count(header.step)}`);
    const [, rows, length] = arrays.sample_char.shape;
    const given = arrays.sample_prompt.of(0)[0];
    const codes = arrays.sample_char.of(0);
    const host = this.find('samples');
    while (host.children.length < rows)
      host.append(Object.assign(document.createElement('p'), { innerHTML: '<u></u><span></span>' }));
    [...host.children].forEach(({ firstChild, lastChild }, row) => {
      const text = Array.from(codes.subarray(row * length, (row + 1) * length), written);
      setText(firstChild, text.slice(0, given).join(''));
      setText(lastChild, text.slice(given).join(''));
    });
  }

  // Bits per character on the test text, beside what counting and the dense network achieve; and what the experts follow.
  drawScores(header) {
    const bits = (nats) => fixed(Number.isFinite(nats) ? nats / BITS : null, 2);
    const [experts, dense] = header.test_loss;
    const rows = [['bits per character, this model', bits(experts)]];
    if (header.num_runs > 1) rows.push(['dense, equal active parameters', bits(dense) + difference(experts, dense)]);
    if (this.baseline) rows.push(['bigram', bits(this.baseline[1])], ['unigram', bits(this.baseline[0])]);
    if (this.matches)
      rows.push(
        [`${LAYERS[this.layer]}: match with kinds of text`, fixed(this.matches[0], 2)],
        ['with kinds of characters', fixed(this.matches[1], 2)],
      );
    const host = this.find('scores');
    while (host.children.length < rows.length)
      host.append(Object.assign(document.createElement('div'), { innerHTML: '<dt></dt><dd></dd>' }));
    while (host.children.length > rows.length) host.lastChild.remove();
    rows.forEach((pair, at) => pair.forEach((text, place) => setText(host.children[at].children[place], text)));
  }

  describe() {
    const { kinds } = this.stage.component.data.names;
    const { header, arrays } = this.seen.text ?? {};
    if (!arrays) return;
    const [, layers, windows, width] = arrays.text_expert.shape;
    const experts = this.ofLayer(arrays.text_expert, layers);
    const said = Array.from({ length: windows }, (_, window) => {
      const own = experts.subarray(window * width, (window + 1) * width);
      const counts = header.ids[0].map((_id, expert) => own.reduce((sum, each) => sum + (each === expert), 0));
      const most = counts.indexOf(Math.max(...counts));
      return `${kinds[window]}: mostly ${letter(header.ids[0][most])}`;
    });
    this.find('texts').setAttribute(
      'aria-label',
      `Test text by expert. ${said.join('; ')}. Point at a character, or use the arrow keys.`,
    );
    this.stage.charts.describe(this.stage.frame.header, this.stage.frame.arrays);
  }

  close() {
    clearTimeout(this.timer);
  }
}

function difference(experts, dense) {
  if (![experts, dense].every(Number.isFinite)) return ''; // one of them has diverged
  const by = (dense - experts) / BITS;
  return ` (experts ${Math.abs(by).toFixed(2)} ${by >= 0 ? 'better' : 'worse'})`;
}
