// The page's only script: finds a pair and draws its two waterfalls. The script builds elements and sets text; it parses no markup.
'use strict';
(() => {
  const data = JSON.parse(document.getElementById('pairs-data').textContent);
  const find = document.getElementById('find');
  const list = document.getElementById('list');
  const count = document.getElementById('count');
  const panel = document.getElementById('panel');
  // without pairs the page has no section for them
  if (panel === null) return;
  const SHOWN = 200;
  const SIDES = ['a', 'b'];
  // one unit is one pixel, so that text keeps its size on any screen
  const WIDTH = Math.max(320, Math.min(900, panel.clientWidth || 760));
  const LABEL = WIDTH < 500 ? 112 : 150;
  const VALUE = WIDTH < 500 ? 104 : 124;
  let selected = 0;
  let wereSpansOpen = false;

  const svg = (name, attributes, text) => {
    const element = document.createElementNS('http://www.w3.org/2000/svg', name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
    if (text !== undefined) element.textContent = text;
    return element;
  };
  const element = (name, className, text) => {
    const made = document.createElement(name);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const ms = (us) => (us === undefined ? '–' : (us / 1000).toFixed(1));
  const deltaOf = ({ a, b }) => (a.e2eUs === undefined || b.e2eUs === undefined ? undefined : b.e2eUs - a.e2eUs);
  const signed = (us) => {
    if (us === undefined) return 'not measured';
    const tenths = Math.round(us / 100) / 10;
    return tenths === 0 ? '0.0' : `${tenths > 0 ? '+' : '−'}${Math.abs(tenths).toFixed(1)}`;
  };

  function matches(pair, words) {
    const text = `${pair.session} turn ${pair.turn} ${pair.traces.join(' ')} ${pair.a.failure ?? ''} ${pair.b.failure ?? ''}`;
    const lower = text.toLowerCase();
    return words.every((word) => lower.includes(word));
  }

  function fill() {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = data.pairs.map((pair, index) => ({ pair, index })).filter(({ pair }) => matches(pair, words));
    list.replaceChildren(
      ...found.slice(0, SHOWN).map(({ pair, index }) => {
        const delta = deltaOf(pair);
        const button = element('button');
        button.type = 'button';
        button.dataset.pair = String(index);
        button.setAttribute('aria-pressed', String(index === selected));
        const tone = delta === undefined || delta === 0 ? '' : delta < 0 ? 'faster-text' : 'slower-text';
        const name = element('span', 'name');
        name.append(element('b', '', `turn ${pair.turn}`), ` ${pair.session}`);
        button.title = `${pair.session}, turn ${pair.turn}`;
        button.append(name, element('span', tone, signed(delta)));
        const item = element('li');
        item.append(button);
        return item;
      }),
    );
    const more = found.length > SHOWN ? `, the first ${SHOWN} are listed` : '';
    count.textContent = `${found.length} of ${data.pairs.length} pairs${more}`;
  }

  function show(index) {
    selected = index;
    for (const button of list.querySelectorAll('button'))
      button.setAttribute('aria-pressed', String(Number(button.dataset.pair) === index));
    const pair = data.pairs[index];
    panel.replaceChildren();
    if (pair === undefined) return;
    panel.append(
      element(
        'h3',
        '',
        `${pair.session} · turn ${pair.turn}: ${ms(pair.a.e2eUs)} → ${ms(pair.b.e2eUs)} ms (${signed(deltaOf(pair))})`,
      ),
    );
    for (const side of SIDES) {
      const { failure } = pair[side];
      if (failure !== undefined) panel.append(element('p', 'no', `${side.toUpperCase()} failed: ${failure}`));
    }
    panel.append(waterfall(pair));
    if (pair.url !== undefined) {
      const link = element('a', '', 'Compare the two traces in Jaeger');
      link.href = pair.url;
      link.rel = 'noreferrer';
      panel.append(link);
    }
    said(pair);
    if (pair.a.spans !== undefined || pair.b.spans !== undefined) {
      const folded = element('details');
      folded.open = wereSpansOpen;
      folded.addEventListener('toggle', () => (wereSpansOpen = folded.open));
      folded.append(element('summary', '', 'Spans of both turns, by path'), spans(pair));
      panel.append(folded);
    }
    panel.append(element('p', 'note', `trace ${pair.traces[0]} (A), ${pair.traces[1]} (B)`));
  }

  function said(pair) {
    for (const side of SIDES)
      for (const [who, text] of Object.entries({ user: pair[side].transcript, reply: pair[side].reply })) {
        if (text === undefined) continue;
        panel.append(element('h3', '', `${side.toUpperCase()}, ${who}`), element('div', 'said', text));
      }
  }

  function axis(picture, scaleUs, height) {
    const plot = WIDTH - LABEL - VALUE;
    const rough = scaleUs / (plot < 300 ? 2 : 5);
    const power = 10 ** Math.floor(Math.log10(Math.max(1, rough)));
    const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough) ?? rough;
    for (let us = 0; us <= scaleUs; us += step) {
      const x = LABEL + (us / scaleUs) * plot;
      picture.append(svg('line', { class: 'grid', x1: x, x2: x, y1: 14, y2: height }));
      picture.append(svg('text', { class: 'dim', x, y: 10, 'text-anchor': 'middle' }, `${us / 1000}`));
    }
  }

  // A row for each stage and phase, A's bar above B's, on one scale from the zero.
  function waterfall(pair) {
    const scaleUs = Math.max(pair.a.e2eUs ?? 0, pair.b.e2eUs ?? 0, 1);
    const rows = [];
    const rowOf = (stage, phase) => {
      let row = rows.find((each) => each.stage === stage && each.phase === phase);
      if (row === undefined) rows.push((row = { stage, phase, a: [], b: [] }));
      return row;
    };
    for (const side of SIDES) {
      let atUs = 0;
      for (const [stage, phase, us] of pair[side].parts) {
        rowOf(stage, phase)[side].push([atUs, us]);
        atUs += us;
      }
    }
    const first = (row) => Math.min(...[...row.a, ...row.b].map(([from]) => from));
    rows.sort((x, y) => first(x) - first(y) || x.stage - y.stage);
    const height = 20 + rows.length * 26;
    const picture = svg('svg', { class: 'fall', viewBox: `0 0 ${WIDTH} ${height}`, role: 'img' });
    picture.append(svg('title', {}, 'Waterfall of both turns from the zero; A is pale and above, B is full and below'));
    axis(picture, scaleUs, height);
    picture.append(svg('text', { class: 'dim', x: WIDTH - VALUE / 2 + 4, y: 10, 'text-anchor': 'end' }, 'A ms'));
    picture.append(svg('text', { x: WIDTH, y: 10, 'text-anchor': 'end' }, 'B ms'));
    const plot = WIDTH - LABEL - VALUE;
    rows.forEach((row, index) => {
      const y = 20 + index * 26;
      const name = data.stages[row.stage];
      picture.append(svg('text', { x: 0, y: y + 14 }, name === row.phase ? name : `${name} · ${row.phase}`));
      for (const side of SIDES) {
        const top = side === 'a' ? y + 1 : y + 11;
        let sum = 0;
        for (const [from, us] of row[side]) {
          sum += us;
          const x = LABEL + (from / scaleUs) * plot;
          const width = Math.max(1.5, (us / scaleUs) * plot);
          picture.append(svg('rect', { class: `s${row.stage} lane-${side}`, x, y: top, width, height: 9, rx: 1.5 }));
        }
        picture.append(
          svg(
            'text',
            {
              class: side === 'a' ? 'dim' : '',
              x: side === 'a' ? WIDTH - VALUE / 2 + 4 : WIDTH,
              y: y + 15,
              'text-anchor': 'end',
            },
            ms(sum),
          ),
        );
      }
    });
    return picture;
  }

  // Spans by path: those of both turns, then those of one alone.
  function spans(pair) {
    const rows = new Map();
    for (const side of SIDES)
      for (const [path, startUs, us] of pair[side].spans ?? []) {
        if (!rows.has(path)) rows.set(path, {});
        rows.get(path)[side] = { startUs, us };
      }
    const scroll = element('div', 'scroll');
    const table = element('table');
    const head = element('tr');
    for (const title of ['span', 'A start', 'A ms', 'B start', 'B ms', 'Δ ms']) {
      const th = element('th', title === 'span' ? '' : 'number', title);
      th.scope = 'col';
      head.append(th);
    }
    const body = element('tbody');
    for (const [path, row] of rows) {
      const tr = element('tr');
      tr.append(element('td', 'path', data.paths[path]));
      for (const side of SIDES)
        tr.append(element('td', 'number', ms(row[side]?.startUs)), element('td', 'number', ms(row[side]?.us)));
      const alone = row.a === undefined ? 'only in B' : row.b === undefined ? 'only in A' : undefined;
      tr.append(element('td', 'number', alone ?? signed(row.b.us - row.a.us)));
      body.append(tr);
    }
    const thead = element('thead');
    thead.append(head);
    table.append(thead, body);
    scroll.append(table);
    return scroll;
  }

  list.addEventListener('click', (event) => {
    const button = event.target.closest('button');
    if (button !== null) show(Number(button.dataset.pair));
  });
  list.addEventListener('keydown', (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const buttons = [...list.querySelectorAll('button')];
    const next = buttons[buttons.indexOf(document.activeElement) + step];
    if (next === undefined) return;
    next.focus();
    show(Number(next.dataset.pair));
  });
  find.addEventListener('input', () => {
    fill();
    const first = list.querySelector('button');
    if (first !== null) show(Number(first.dataset.pair));
  });
  find.addEventListener('keydown', (event) => {
    if (event.key !== 'ArrowDown') return;
    event.preventDefault();
    list.querySelector('button')?.focus();
  });
  document.addEventListener('keydown', (event) => {
    if (event.key !== '/' || document.activeElement === find) return;
    event.preventDefault();
    find.focus();
  });

  const measured = data.pairs.filter((pair) => deltaOf(pair) !== undefined).length;
  selected = Math.max(0, Math.floor((measured - 1) / 2));
  fill();
  show(selected);
})();
