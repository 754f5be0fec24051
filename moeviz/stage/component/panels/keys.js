// Keys for who stands in front of a class: play, step, reset, presets, present, hide. The page can switch them off.

const TEXT =
  'input:not([type=range], [type=checkbox], [type=radio]), textarea, select, [contenteditable], [role=combobox], [role=listbox], .mv-pad';
const PRESSED = 'button, a, summary, [role=tab], [type=checkbox], [type=radio]'; // Space presses these by itself
const ARROWS = 'input, .mv-field, [role=tab], [role=listitem], [role=slider]'; // these mean something by the arrow keys themselves

export class Keys {
  /** @param {Stage} stage */
  constructor(stage) {
    this.stage = stage;
    const clicked = ({ detail }) => {
      this.clicked = detail ? document.activeElement : null;
    };
    const before = { capture: true }; // Streamlit, where R runs the page again
    /** @type {[type: string, hear: (event: any) => void, options: AddEventListenerOptions | boolean][]} */
    this.listeners = [
      ['keydown', (event) => this.press(event), before],
      ['click', clicked, false],
    ];
    this.listeners.forEach((listener) => addEventListener(...listener));
  }

  press(event) {
    const { target, key } = event;
    const off = this.stage.component.data.keys === false || event.ctrlKey || event.metaKey || event.altKey;
    if (off || !(target instanceof Element) || target.closest(TEXT)) return;
    // who has just clicked a button does not mean to press it again
    if (key === ' ' && target.closest(PRESSED) && document.activeElement !== this.clicked) return;
    const act = this.meaning(key.toLowerCase(), target);
    if (!act) return;
    if (!event.repeat) act();
    event.preventDefault();
    event.stopImmediatePropagation();
  }

  // What a key does, if anything.
  meaning(key, target) {
    const {
      stage,
      stage: {
        controls,
        layout,
        component: { data },
      },
    } = this;
    const expert = layout.typed?.(key);
    if (expert >= 0) return () => layout.point(expert);
    const by = { arrowleft: -1, arrowright: 1 }[key];
    if (by && layout.go && !target.closest(ARROWS)) return () => layout.go(by);
    if (by && data.lesson && !target.closest(ARROWS)) return () => stage.tell('go', by);
    if (key === 'escape' && data.present) return () => stage.tell('present', false);
    if (key === 'p' && (layout.cover || data.lesson)) return () => stage.tell('present', !data.present);
    if (data.lesson === 'asking' || (data.lesson === 'running' && key === 'r')) return null;
    if (key === ' ') return () => controls.toggle();
    if (key === '.') return () => controls.step(1);
    if (key === 'r') return () => controls.reset();
    if (key === 'h' && layout.cover) return () => layout.cover.toggle();
    const preset = data.presets?.[key === '0' ? 9 : key - 1];
    return preset && (() => stage.tell('preset', preset));
  }

  close() {
    this.listeners.forEach((listener) => removeEventListener(...listener));
  }
}
