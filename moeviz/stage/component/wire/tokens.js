// The task's tokens as the stage keeps them: the static part comes once for each version of the data, the choices with every frame that has them.

export class Tokens {
  constructor() {
    this.forget();
  }

  forget() {
    this.dataVersion = null;
    this.arrays = null;
  }

  take({ header, arrays }) {
    if (arrays.point_xy) {
      this.dataVersion = header.data_version;
      this.arrays = arrays;
      this.runs = [];
    }
    if (!this.arrays || this.dataVersion !== header.data_version) return;
    for (let run = 0; run < header.num_runs; run += 1) {
      this.runs[run] ??= this.of(run);
      const points = this.runs[run];
      if (!arrays.point_choice || arrays.point_choice.stride !== points.train.length) continue;
      points.choice = arrays.point_choice.of(run);
      points.kept = header.batch_dependent ? arrays.point_kept.of(run) : null;
      points.choiceVersion = `${header.step}.${header.revision}`;
    }
  }

  of(run) {
    const part = (name) => this.arrays[`point_${name}`].of(run);
    return { xy: part('xy'), target: part('target'), train: part('train'), version: this.dataVersion };
  }

  // The points of a run, once they belong to what is on screen.
  get(header, run) {
    return this.dataVersion === header.data_version ? this.runs?.[run] : null;
  }
}
