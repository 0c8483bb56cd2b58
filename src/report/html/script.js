'use strict';
// The page says everything without this; it adds a cursor that goes along the decisions and tells what held there.
(() => {
  const read = document.getElementById('data');
  const lanes = document.getElementById('lanes');
  const now = document.getElementById('now');
  if (!read || !lanes || !now) return;
  const data = JSON.parse(read.textContent);
  document.documentElement.classList.add('js');

  const pad = (n) => String(n).padStart(2, '0');
  const elapsed = (ms) => {
    let rest = Math.round(ms / 1000);
    if (rest === 0) return '+0s';
    let out = '+';
    for (const [name, size] of [['d', 86400], ['h', 3600], ['m', 60], ['s', 1]]) {
      if (rest >= size) { out += Math.floor(rest / size) + name; rest %= size; }
    }
    return out;
  };
  const clock = (ms) => {
    const d = new Date(data.from + ms);
    if (Number.isNaN(d.getTime())) return '';
    const time = [d.getUTCHours(), d.getUTCMinutes(), d.getUTCSeconds()].map(pad).join(':');
    return (data.length >= 86400000 ? d.toISOString().slice(0, 10) + ' ' : '') + time + ' UTC';
  };
  // the last change at or before a time
  const last = (changes, at) => {
    let lo = 0, hi = changes.length;
    while (lo < hi) {
      const mid = (lo + hi) >> 1;
      if (changes[mid][0] <= at) lo = mid + 1; else hi = mid;
    }
    return lo === 0 ? null : changes[lo - 1];
  };
  const make = (tag, name, text) => {
    const e = document.createElement(tag);
    if (name) e.className = name;
    if (text !== undefined) e.textContent = text;
    return e;
  };

  const phase = (at) => {
    const inside = data.phases.filter((p) => p[0] <= at && at <= p[1]).pop();
    if (!inside) return 'no phase';
    const paused = inside[3].some((p) => p[0] <= at && at < p[1]);
    return (inside[2] === 'rolling back' ? inside[2] : 'phase ' + inside[2]) + (paused ? ' (paused)' : '');
  };
  const port = (p, at) => {
    const asked = last(p.asked, at), seen = last(p.read, at);
    const how = p.assumed !== null && at >= p.assumed ? 'assumed ' : 'read back ';
    return (asked ? asked[1] : 'not set') + ', ' + (seen ? how + seen[1] : 'not read');
  };
  const guard = (g, at) => {
    const word = last(g.words, at), value = last(g.values, at), limit = last(g.limits, at);
    const [text, style] = data.words[word ? word[1] : data.words.length - 1];
    return { text, style, value: value && value[1] || '–', limit: limit && limit[1] || '–' };
  };

  let cursor = 0;
  const show = (at, decision) => {
    cursor = Math.min(Math.max(at, 0), data.length);
    lanes.style.setProperty('--at', cursor / data.length);
    const parts = [make('b', '', elapsed(cursor)), ' ' + clock(cursor) + ' · ' + phase(cursor)];
    if (decision) parts.push(' · ', make('strong', '', decision));
    parts.push(make('br'));
    data.ports.forEach((p, i) => {
      const text = port(p, cursor);
      lanes.querySelectorAll('[data-port="' + i + '"]').forEach((e) => { e.textContent = text; });
      parts.push(make('span', 'each', p.name + ' ' + text), ' ');
    });
    data.guards.forEach((g, i) => {
      const { text, style, value, limit } = guard(g, cursor);
      const numbers = style === 'off' ? '' : ' ' + value + ' (limit ' + limit + ')';
      lanes.querySelectorAll('[data-guard="' + i + '"]').forEach((e) => {
        e.replaceChildren(make('b', 'chip w-' + style, text), numbers);
      });
      const each = make('span', 'each', g.name + ' ');
      each.append(make('b', 'chip w-' + style, text), numbers);
      parts.push(each, ' ');
    });
    now.replaceChildren(...parts);
  };

  // one stop of the Tab key for all marks; the arrows go from one to the next
  const marks = data.decisions.map(([at, id, text]) => ({ at, text, mark: document.getElementById(id) }))
    .filter((d) => d.mark);
  let here = Math.max(0, marks.findIndex((d) => d.mark.id === data.first));
  const choose = (i, focus) => {
    const seen = (m) => m.mark.offsetParent !== null;
    const before = marks[here];
    if (!marks[i]) return;
    before.mark.classList.remove('here');
    before.mark.tabIndex = -1;
    here = i;
    const { at, text, mark } = marks[i];
    mark.classList.add('here');
    mark.tabIndex = 0;
    if (focus && seen(marks[i])) mark.focus({ preventScroll: false });
    show(at, text);
  };
  const next = (step) => {
    let i = here + step;
    // those that are hidden are passed over
    while (marks[i] && marks[i].mark.offsetParent === null) i += step;
    return marks[i] ? i : here;
  };
  marks.forEach((d, i) => {
    d.mark.tabIndex = -1;
    d.mark.addEventListener('focus', () => { if (here !== i) choose(i, false); });
    d.mark.addEventListener('click', () => choose(i, false));
  });
  lanes.addEventListener('keydown', (e) => {
    if (e.altKey || e.ctrlKey || e.metaKey || !(e.target instanceof Element) || !e.target.matches('.mark')) return;
    const to = { ArrowRight: () => next(1), ArrowDown: () => next(1), ArrowLeft: () => next(-1), ArrowUp: () => next(-1),
      Home: () => 0, End: () => marks.length - 1 }[e.key];
    if (!to) return;
    e.preventDefault();
    // with Shift by one check
    if (e.shiftKey && e.key.startsWith('Arrow')) {
      show(cursor + (e.key === 'ArrowRight' || e.key === 'ArrowDown' ? 1 : -1) * data.every, null);
      return;
    }
    choose(to(), true);
  });
  // a mark in the list leads back to the timeline, and takes the cursor along
  document.querySelectorAll('.decisions .when').forEach((a) => {
    a.addEventListener('click', () => {
      const i = marks.findIndex((d) => '#' + d.mark.id === a.getAttribute('href'));
      if (i >= 0) choose(i, true);
    });
  });
  const point = (e) => {
    const plot = e.target instanceof Element && e.target.closest('.plot');
    if (!plot || e.target.closest('.mark') || (e.type === 'pointermove' && e.pointerType === 'touch')) return;
    const box = plot.getBoundingClientRect();
    if (box.width > 0) show(Math.round((e.clientX - box.left) / box.width * data.length / data.every) * data.every, null);
  };
  lanes.addEventListener('pointermove', point);
  lanes.addEventListener('pointerdown', point);

  if (marks.length > 0) choose(here, false); else show(0, null);
})();
