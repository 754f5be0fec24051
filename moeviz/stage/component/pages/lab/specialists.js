// Balance is not specialization: which true groups each expert serves, beside its load, and what chance alone would match.

import { lineSample } from '../../kit/plot.js';
import { setText } from '../../kit/numbers.js';
import { groupTable } from '../../panels/panels.js';

export class Specialists {
  /** @param {Lab} lab */
  constructor(lab) {
    this.lab = lab;
    lab.find('specialists').innerHTML = lab.titles
      .map((_, run) => `<section><p class="mv-title"><span></span>${lineSample(run)}</p><div></div></section>`)
      .join('');
  }

  draw({ header, arrays }) {
    [...this.lab.find('specialists').children].slice(0, header.num_runs).forEach((host, run) => {
      setText(host.querySelector('.mv-title span'), this.lab.titles[run]);
      groupTable(host.lastElementChild, header, arrays, run);
    });
  }
}
