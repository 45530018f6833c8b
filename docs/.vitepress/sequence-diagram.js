/** Sizes in pixels of the drawing. */
const FONT = 13;
const LINE = 18;
const CHARACTER = 7;
const MARGIN = 24;

/**
 * Draws a sequence diagram of Mermaid as SVG, in the colors of the page and without a script: participants, arrows, notes over
 * one participant, and `alt`. Undefined for other diagrams.
 */
export function sequenceDiagram(mermaid) {
  const [kind, ...lines] = mermaid.split('\n').map((line) => line.trim());
  if (kind !== 'sequenceDiagram') return undefined;
  const steps = lines.filter(Boolean).map(parse);
  const names = [...new Set(steps.flatMap(({ name, from, to, over }) => [name, from, to, over]).filter(Boolean))];
  const labels = new Map(steps.filter(({ name }) => name).map(({ name, label }) => [name, label]));
  const gap = Math.max(116, Math.min(190, 690 / names.length));
  const x = (name) => MARGIN + gap * (names.indexOf(name) + 0.5);
  const width = 2 * MARGIN + gap * names.length;

  let y = 72;
  const frames = [];
  const drawn = steps.flatMap((step) => {
    if (step.open !== undefined) frames.push({ top: y, inset: frames.length * 6 });
    if (step.open !== undefined || step.otherwise !== undefined) {
      const rule =
        step.open === undefined
          ? `<path class="part" d="M${4 + frames.at(-1).inset} ${y}H${width - 4 - frames.at(-1).inset}"/>`
          : '';
      y += LINE + 10;
      return [rule, text(MARGIN, y - 10, [step.open ?? step.otherwise], 'condition')];
    }
    if (step.isEnd) {
      const { top, inset } = frames.pop();
      y += 14;
      return [rect(inset, top, width, y - 14 - top, 'frame')];
    }
    if (step.over) {
      const wrapped = wrap(step.text, gap * 1.15);
      const height = wrapped.length * LINE + 10;
      const half = Math.max(...wrapped.map((line) => line.length)) * (CHARACTER / 2) + 10;
      const center = Math.min(Math.max(x(step.over), half + 4), width - half - 4);
      y += height + 10;
      const box = `<rect class="note" x="${center - half}" y="${y - height - 10}" width="${2 * half}" height="${height}" rx="4"/>`;
      return [box, text(center, y - height + 8, wrapped, 'middle')];
    }
    if (!step.from) return [];
    const [from, to] = [x(step.from), x(step.to)];
    const wrapped = wrap(step.text, Math.max(Math.abs(to - from), gap) - 20);
    y += wrapped.length * LINE + 12;
    const direction = Math.sign(to - from);
    const tip = `M${to - direction * 8} ${y - 17}L${to} ${y - 12}L${to - direction * 8} ${y - 7}`;
    return [
      text((from + to) / 2, y - wrapped.length * LINE - 2, wrapped, 'middle'),
      `<path class="arrow${step.isAnswer ? ' answer' : ''}" d="M${from} ${y - 12}H${to}"/><path class="arrow" d="${tip}"/>`,
    ];
  });

  const heads = names.map((name) => {
    const half = gap / 2 - 6;
    const label = wrap(labels.get(name) ?? name, gap - 40);
    return `<path class="life" d="M${x(name)} 52V${y}"/><rect class="head" x="${x(name) - half}" y="8" width="${2 * half}" height="44" rx="6"/>${text(x(name), 43 - label.length * (LINE / 2), label, 'middle strong')}`;
  });
  const words = steps.map(sentence).filter(Boolean).join('. ');
  return `<figure class="sequence" tabindex="0" v-pre><svg viewBox="0 0 ${width} ${y + 8}" width="${width}" style="min-width: ${Math.min(width, 560)}px" role="img" aria-label="${escape(words)}">${heads.join('')}${drawn.join('')}</svg></figure>\n`;
}

function parse(line) {
  const [, name, label = name] = /^participant (\w+)(?: as (.+))?$/.exec(line) ?? [];
  if (name) return { name, label };
  const [, from, dashes, to, message] = /^(\w+?)(--?)>>(\w+): (.+)$/.exec(line) ?? [];
  if (from) return { from, to, text: message, isAnswer: dashes === '--' };
  const [, over, note] = /^Note over (\w+): (.+)$/.exec(line) ?? [];
  if (over) return { over, text: note };
  const [, word, condition] = /^(alt|else) (.+)$/.exec(line) ?? [];
  if (word) return word === 'alt' ? { open: condition } : { otherwise: condition };
  if (line === 'end') return { isEnd: true };
  throw new Error(`Sequence diagrams of the site cannot draw: ${line}`);
}

/** A step in words, for readers who do not see the drawing. */
function sentence({ from, to, over, text: words, open, otherwise }) {
  if (from) return `${from} to ${to}: ${words}`;
  if (over) return `${over}: ${words}`;
  return (open ?? otherwise) ? `Case ${open ?? otherwise}` : '';
}

function wrap(words, room) {
  const most = Math.max(12, Math.floor(room / CHARACTER));
  const lines = [''];
  for (const word of words.split(' ')) {
    if (lines.at(-1) !== '' && `${lines.at(-1)} ${word}`.length > most) lines.push(word);
    else lines.push(`${lines.pop()} ${word}`.trim());
  }
  return lines;
}

function text(x, y, lines, className) {
  const spans = lines.map((line, index) => `<tspan x="${x}" y="${y + index * LINE}">${escape(line)}</tspan>`);
  return `<text class="${className}" font-size="${FONT}">${spans.join('')}</text>`;
}

function rect(inset, y, width, height, className) {
  return `<rect class="${className}" x="${4 + inset}" y="${y}" width="${width - 8 - 2 * inset}" height="${height}"/>`;
}

function escape(words) {
  return words.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
