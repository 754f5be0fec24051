// Tabs of which one is chosen, and the panels that they show.

/** @type {(host: HTMLElement, className: string, label: string) => HTMLElement} */
export function tabPanel(host, className, label) {
  const panel = Object.assign(document.createElement('div'), { className });
  panel.setAttribute('role', 'tabpanel');
  panel.setAttribute('aria-label', label);
  host.append(panel);
  return panel;
}

function tab(name, label) {
  const button = Object.assign(document.createElement('button'), { type: 'button', textContent: label });
  button.setAttribute('role', 'tab');
  button.dataset.tab = name;
  return button;
}

// Tabs of which one is chosen: the Tab key enters at that one, the arrow keys choose another. Returns what chooses by place.
/** @type {(host: HTMLElement, labels: Record<string, string>, onChoose: (name: string, index: number) => void) => (index: number, focus?: boolean) => void} */
export function chooseAmong(host, labels, onChoose) {
  const names = Object.keys(labels);
  const tabs = names.map((name) => tab(name, labels[name]));
  const choose = (index, focus) => {
    tabs.forEach((each, at) => {
      each.setAttribute('aria-selected', String(at === index));
      each.tabIndex = at === index ? 0 : -1;
    });
    if (focus) tabs[index].focus();
    onChoose(names[index], index);
  };
  tabs.forEach((each, index) => {
    each.onclick = () => choose(index);
    each.onkeydown = ({ key }) => {
      const by = { ArrowLeft: -1, ArrowRight: 1 }[key];
      if (by) choose((index + by + tabs.length) % tabs.length, true);
    };
  });
  host.replaceChildren(...tabs);
  if (tabs.length) choose(0);
  return choose;
}
