// Pictures and words through one mixture of experts: who serves whose tokens, and what is found for the chosen item, in each twin.

import { expertRows, fillShares } from '../../kit/expertrows.js';
import { oneOfSeveral } from '../../kit/labels.js';
import { placeAll } from '../../charts/place.js';
import { count, fixed, outdated, percent, setText, Throttle } from '../../kit/numbers.js';
import { LANGUAGES } from './skeleton.js';
import { background, hue, letter } from '../../kit/palette.js';
import { stopped } from '../../kit/stopped.js';

const TEXTS = 250; // ms between changes while training runs
const NEAREST = 5;
const SIDE = 16; // pixels of a picture
const ACROSS = 4; // patches
const PICTURE = 16; // tokens: then the names', four each
const WORDS = 4;
const OWNED = { 'Own experts of pictures': 1, 'Of words': 2, 'Serve both': 3, 'Nearly idle': 0 }; // numbers of owners in a frame
const PARTS = ['pictures', ...LANGUAGES];
const TITLES = { metric: 'Found among the nearest five', loss: 'Losses' };

/** @implements {Layout} */
export class Pairs {
  /** @param {Stage} stage */
  constructor(stage) {
    const {
      find,
      component: { data },
    } = stage;
    this.stage = stage;
    this.find = find;
    this.always = true;
    this.texts = new Throttle(TEXTS);
    this.language = 0;
    this.item = null;
    this.own = '';
    this.count = data.titles.length;
    for (const button of find('languages').children) button.onclick = () => this.speak(Number(button.dataset.language));
    find('own').oninput = () => this.give(find('own').value.trim());
    this.forget();
    this.speak(0);
  }

  get picture() {
    return null; // no map
  }

  placeCharts(templates, charts) {
    placeAll(this.find('charts'), templates, charts, TITLES);
  }

  forget() {
    this.seen = null;
    this.dataVersion = null;
    this.items = null;
    this.sentWord = '';
    this.drawn = false;
  }

  speak(language) {
    this.language = language;
    for (const button of this.find('languages').children)
      button.setAttribute('aria-pressed', String(Number(button.dataset.language) === language));
    if (this.seen) this.drawAll(this.seen);
  }

  choose(item) {
    this.item = item;
    this.stage.askSoon();
  }

  // The visitor's own word: the run is told, and answers with the pictures nearest to it.
  give(word) {
    this.own = word;
    this.texts.last = -Infinity;
    for (let run = 0; run < this.count; run += 1) if (!word) this.find(`own-${run}`).hidden = true;
    this.stage.askSoon();
  }

  wants(header) {
    if (this.own && this.sentWord !== this.own && this.stage.connection.send({ op: 'give', value: this.own }))
      this.sentWord = this.own;
    const want = !header || this.dataVersion !== header.data_version ? ['items'] : [];
    const another = this.seen && this.item !== null && this.item !== this.seen.arrays.pair_item.data[0];
    if (another) this.stage.probe = [this.item, 0]; // once more after the connection was lost
    if (another || outdated(this.seen, header, this.texts)) want.push('pairs');
    if (this.own) want.push('found');
    return want;
  }

  draw(frame) {
    const { header, arrays } = frame;
    if (arrays.item_words) this.show(header, arrays);
    if (!this.items) return;
    if (arrays.pair_share) {
      this.texts.ready();
      this.seen = frame;
      this.drawn = true;
      this.drawAll(frame);
    }
    if (arrays.found_picture && this.own && (arrays.pair_share || header.state !== 'running')) this.drawOwn(frame);
  }

  // The items themselves, once for each version of the data.
  show(header, arrays) {
    const names = JSON.parse(new TextDecoder().decode(arrays.item_words.data));
    const stride = 3 * SIDE * SIDE;
    this.items = names.map((words, item) => ({
      names: words.map(([name]) => name),
      tokens: words.map(([, ...tokens]) => tokens),
      pixels: arrays.item_picture.data.slice(item * stride, (item + 1) * stride),
    }));
    this.dataVersion = header.data_version;
    if (this.item >= this.items.length) this.item = null; // fewer than before
    this.find('waiting').hidden = true;
    this.find('choosing').hidden = false;
    this.find('gallery').replaceChildren(
      ...this.items.map(({ names: [name], pixels }, item) => {
        const button = Object.assign(document.createElement('button'), { type: 'button', title: name });
        button.setAttribute('aria-label', name);
        button.append(painted(pixels));
        button.onclick = () => this.choose(item);
        return button;
      }),
    );
  }

  drawAll({ header, arrays }) {
    const item = arrays.pair_item.data[0];
    setText(this.find('several'), oneOfSeveral(header));
    [...this.find('gallery').children].forEach((button, at) =>
      button.setAttribute('aria-pressed', String(at === item)),
    );
    for (let run = 0; run < Math.min(this.count, header.num_runs); run += 1) {
      const of = (name) => arrays[name].of(run);
      const ids = header.ids[run];
      setText(
        this.find(`score-${run}`),
        `step ${count(header.measured_step)}: the right one is among the nearest five: ${percent(header.test_metric[run])} %, by chance ${((100 * NEAREST) / this.items.length).toFixed(1)} %`,
      );
      setText(this.find(`language-${run}`), LANGUAGES[this.language]);
      this.drawTokens(run, item, ids, of('pair_expert'));
      this.drawPictures(
        this.find(`pictures-${run}`),
        part(of('pair_picture'), this.language),
        part(of('pair_picture_score'), this.language),
        item,
      );
      this.drawNames(run, item, of('pair_name'), of('pair_name_score'));
      const alone = ids.length === 1; // a network of one expert has nothing to share out
      for (const name of ['shares', 'served']) this.find(`${name}-${run}`).hidden = alone;
      if (!alone) this.drawShares(run, ids, of('pair_share'), of('pair_owner'));
    }
  }

  drawTokens(run, item, ids, expert) {
    const { pixels, tokens, names } = this.items[item];
    const own = expert
      .subarray(item * (PICTURE + WORDS * LANGUAGES.length))
      .subarray(0, PICTURE + WORDS * LANGUAGES.length);
    drawRoute(
      this.find(`route-${run}`),
      pixels,
      Array.from(own.subarray(0, PICTURE), (at) => ids[at]),
      names[0],
    );
    const rows = tokens.map((words, language) => [
      LANGUAGES[language],
      words,
      part(own.subarray(PICTURE), language, WORDS),
    ]);
    fill(this.find(`words-${run}`), 'li', rows, (host, [language, words, servers]) =>
      drawWords(
        host,
        words,
        Array.from(servers, (at) => ids[at]),
        language,
      ),
    );
  }

  drawPictures(host, items, scores, right) {
    const rows = Array.from(items, (item, place) => ({ item, score: scores[place] }));
    fill(host, 'li', rows, (row, { item, score }) => {
      if (row.dataset.item !== String(item)) {
        row.dataset.item = item;
        row.title = this.items[item].names[this.language];
        row.replaceChildren(painted(this.items[item].pixels), document.createElement('span'));
        row.firstChild.setAttribute('aria-label', this.items[item].names[0]);
      }
      row.classList.toggle('mv-right', item === right);
      setText(row.lastChild, `${item === right ? '✓ ' : ''}${fixed(score, 2)}`);
    });
  }

  // The nearest name in each language.
  drawNames(run, right, items, scores) {
    const rows = LANGUAGES.map((language, at) => [language, items[at * NEAREST], scores[at * NEAREST], at]);
    fill(this.find(`names-${run}`), 'li', rows, (row, [language, item, score, at]) => {
      if (!row.firstChild) row.append(...['i', 'b', 'span'].map((tag) => document.createElement(tag)));
      setText(row.children[0], language);
      setText(row.children[1], this.items[item].names[at]);
      setText(row.children[2], `${item === right ? '✓ ' : ''}${fixed(score, 2)}`);
    });
  }

  drawOwn({ header, arrays }) {
    const words = JSON.parse(new TextDecoder().decode(arrays.found_words.data));
    for (let run = 0; run < Math.min(this.count, header.num_runs); run += 1) {
      const of = (name) => arrays[`found_${name}`].of(run);
      this.find(`own-${run}`).hidden = false;
      const ids = Array.from(of('expert'), (at) => header.ids[run][at]);
      fill(this.find(`own-words-${run}`), 'li', [words], (host) => drawWords(host, words, ids, ''));
      this.drawPictures(this.find(`own-pictures-${run}`), of('picture'), of('score'), null);
    }
  }

  drawShares(run, ids, shares, owners) {
    fillShares(expertRows(this.find(`table-${run}`), ids, PARTS), shares.subarray(0, ids.length * PARTS.length));
    const said = Object.entries(OWNED).map(([whose, owner]) => [
      whose,
      ids.filter((_, expert) => owners[expert] === owner).map(letter),
    ]);
    setText(
      this.find(`owners-${run}`),
      said.map(([whose, letters]) => `${whose}: ${letters.join(', ') || 'none'}.`).join(' '),
    );
  }

  describe() {
    if (!this.seen) return;
    const { header, arrays } = this.seen;
    this.stage.component.data.titles.slice(0, header.num_runs).forEach((title, run) => {
      this.find(`pictures-${run}`).setAttribute('aria-label', `${title}, step ${header.step}. ${stopped(header, run)}`);
    });
    this.stage.charts.describe(header, arrays);
  }

  close() {}
}

// The picture as the model sees it, each patch framed in the color of the expert that serves it.
function drawRoute(host, pixels, ids, name) {
  if (!host.firstChild) {
    host.append(painted(pixels));
    for (let patch = 0; patch < ACROSS * ACROSS; patch += 1) host.append(document.createElement('b'));
  }
  paint(host.firstChild, pixels);
  [...host.children].slice(1).forEach((cell, patch) => {
    cell.style.setProperty('--mv-hue', hue(ids[patch]));
    setText(cell, letter(ids[patch]));
  });
  host.setAttribute('aria-label', `${name}: experts of its patches, row by row: ${ids.map(letter).join(' ')}`);
}

// A name's tokens, each over the band of the expert that serves it. A short name is said again.
function drawWords(host, words, ids, language) {
  if (!host.firstChild) host.append(document.createElement('i'), document.createElement('span'));
  setText(host.firstChild, language);
  const different = words.filter((word, place) => words.indexOf(word) === place); // a token that is said again goes the same way
  fill(host.lastChild, 'span', different, (chip, word) => {
    const place = words.indexOf(word);
    if (!chip.firstChild) chip.append(document.createElement('b'), document.createElement('em'));
    setText(chip.firstChild, word);
    setText(chip.lastChild, letter(ids[place]));
    chip.lastChild.style.background = background(ids[place]);
  });
}

// As many children as there are values, each drawn.
function fill(host, tag, values, draw) {
  while (host.children.length < values.length) host.append(document.createElement(tag));
  while (host.children.length > values.length) host.lastChild.remove();
  values.forEach((value, place) => draw(host.children[place], value, place));
}

const part = (values, at, size = NEAREST) => values.subarray(at * size, (at + 1) * size);

function painted(pixels) {
  const canvas = Object.assign(document.createElement('canvas'), { width: SIDE, height: SIDE, className: 'mv-emoji' });
  canvas.setAttribute('role', 'img');
  paint(canvas, pixels);
  return canvas;
}

function paint(canvas, pixels) {
  if (canvas.mvPixels === pixels) return;
  canvas.mvPixels = pixels;
  const image = new ImageData(SIDE, SIDE);
  for (let at = 0; at < SIDE * SIDE; at += 1)
    image.data.set([pixels[3 * at], pixels[3 * at + 1], pixels[3 * at + 2], 255], 4 * at);
  canvas.getContext('2d').putImageData(image, 0, 0);
}
