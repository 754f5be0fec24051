// Hides what happened until the class has voted.

const TELLING = ['main', 'more']; // parts that could tell; the styles hide the rest

export class Cover {
  /** @param {HTMLElement} root @param {Find} find */
  constructor(root, find) {
    this.root = root;
    this.find = find;
    this.cover = find('cover');
    for (const button of [find('hide'), find('show')]) button.onclick = () => this.toggle();
  }

  toggle() {
    const hide = this.cover.hidden;
    this.cover.hidden = !hide;
    this.root.classList.toggle('mv-covered', hide);
    for (const part of TELLING) this.find(part).inert = hide; // not by the Tab key or a screen reader either
    if (hide) this.before = document.activeElement;
    (hide ? this.find('show') : this.before)?.focus();
  }
}
