// A postmark: a double circle with the place on its arc and the date across, and beside it the wavy
// lines that cancel the stamp.

import { element, random, xml } from 'docgenie-plugin';
import { placeAndDate } from './places.js';

const FACE = "font-family='Liberation Sans, Noto Sans, sans-serif' font-weight='bold'";

// Letters of these scripts join: set one by one, they would not be read.
const JOINED = /[\p{Script=Arabic}\p{Script=Devanagari}]/u;
const RIGHT_TO_LEFT = /\p{Script=Arabic}/u;

// As wide as this, there is room for the lines.
const WIDE = 1.6;

const room = ({ width, height }) => {
  if (width >= WIDE * height) return { width: Math.min(width, Math.round(2.4 * height)), height };
  const side = Math.min(width, height);
  return { width: side, height: side };
};

export default element({
  id: 'postmark',
  title: 'Postmark',
  summary: 'A postmark with place, date and, where there is room, wavy lines.',
  params: {
    type: 'object',
    additionalProperties: false,
    properties: {
      ink: {
        description: 'Colour of the ink, as #rrggbb.',
        type: 'string',
        pattern: '^#[0-9a-fA-F]{6}$',
        default: '#23232b',
      },
      wear: {
        description: 'How unevenly it is inked, from 0 to 1.',
        type: 'number',
        minimum: 0,
        maximum: 1,
        default: 0.4,
      },
    },
  },
  traits: { label: 'postmark', places: ['stamp'], blend: 'multiply', random: true },

  measure: ({ area }) => room(area),

  render(request) {
    const { width, height } = room(request.area);
    const { place, date } = placeAndDate(request);
    const { ink, wear } = request.params;
    // Turned, it still is within its picture.
    const circle = { x: height / 2, y: height / 2, radius: height * 0.44 };
    const tilt = random.between(-7, 7) * (width > height ? 0.5 : 1);
    const turn = turner(circle, tilt);
    const joined = JOINED.test(place);
    const name = joined ? across(place, circle) : along(place, circle);
    const day = dated(date, circle);
    const words = [...name.words, ...day.words].map((word) => turn(word));
    const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">
${inking(wear)}
<g filter="url(#inking)" opacity="0.88">
<g transform="rotate(${fixed(tilt)} ${fixed(circle.x)} ${fixed(circle.y)})" fill="${ink}" stroke="none">
${rings(circle, ink, !joined)}
${name.svg}
${day.svg}
</g>
${width > height ? lines(circle, width, height, tilt, ink) : ''}
</g>
</svg>`;
    return { svg, words, content: { place, date } };
  },
});

const fixed = (number) => number.toFixed(2);

// `vault`: whether the inner ring goes on above the bridge, where the name leaves it room.
function rings({ x, y, radius }, ink, vault) {
  const thick = radius * 0.035;
  const ring = (r) =>
    `<circle cx="${fixed(x)}" cy="${fixed(y)}" r="${fixed(r)}" fill="none" stroke="${ink}" stroke-width="${fixed(thick)}"/>`;
  // The bridge that carries the date cuts through the inner ring; hatches fill what it leaves.
  const inner = radius * 0.62;
  const bridge = radius * 0.27;
  const bars = [-bridge, bridge].map((dy) => {
    const half = Math.sqrt(radius * radius - dy * dy);
    return `M${fixed(x - half)} ${fixed(y + dy)}h${fixed(2 * half)}`;
  });
  const hatches = [];
  for (let dx = -inner * 0.78; dx <= inner * 0.78; dx += inner * 0.13) {
    const end = Math.sqrt(inner * inner - dx * dx);
    hatches.push(`M${fixed(x + dx)} ${fixed(y + bridge)}V${fixed(y + end)}`);
  }
  const arc = (sweep) => {
    const [dx, dy] = [Math.sqrt(inner * inner - bridge * bridge), sweep ? -bridge : bridge];
    return `M${fixed(x - dx)} ${fixed(y + dy)}A${fixed(inner)} ${fixed(inner)} 0 0 ${sweep} ${fixed(x + dx)} ${fixed(y + dy)}`;
  };
  return `${ring(radius)}
<path fill="none" stroke="${ink}" stroke-width="${fixed(thick)}" d="${bars.join('')}${vault ? arc(1) : ''}${arc(0)}"/>
<path fill="none" stroke="${ink}" stroke-width="${fixed(thick * 0.6)}" d="${hatches.join('')}"/>
<path d="${star(x, y + radius * 0.81, radius * 0.1)}"/>`;
}

function star(x, y, radius) {
  const points = Array.from({ length: 10 }, (_, index) => {
    const [angle, r] = [(index * Math.PI) / 5, index % 2 ? radius * 0.4 : radius];
    return `${fixed(x + r * Math.sin(angle))} ${fixed(y - r * Math.cos(angle))}`;
  });
  return `M${points.join('L')}Z`;
}

// The name letter by letter along the upper half of the ring, evenly as engravers set it. So its
// place is known whatever the font.
function along(place, { x, y, radius }) {
  const letters = Array.from(place.normalize('NFC').toUpperCase());
  const base = radius * 0.71;
  // Above the bridge there are 120 degrees of it.
  const step = Math.min(0.34, 2.1 / letters.length);
  const size = Math.min(radius * 0.25, step * base * 1.1);
  const angle = (index) => (index - (letters.length - 1) / 2) * step;
  const svg = letters.map((letter, index) => {
    const degrees = (angle(index) * 180) / Math.PI;
    return `<text ${FACE} font-size="${fixed(size)}" text-anchor="middle" x="${fixed(x)}" y="${fixed(y - base)}" transform="rotate(${fixed(degrees)} ${fixed(x)} ${fixed(y)})">${xml(letter)}</text>`;
  });
  const words = [];
  let start = 0;
  for (const text of letters.join('').split(' ')) {
    const end = start + Array.from(text).length;
    const [from, to] = [angle(start - 0.5), angle(end - 0.5)];
    const corners = [];
    for (let at = 0; at <= 8; at += 1) {
      const turn = from + ((to - from) * at) / 8;
      for (const r of [base - size * 0.22, base + size * 0.92]) {
        corners.push([x + r * Math.sin(turn), y - r * Math.cos(turn)]);
      }
    }
    words.push({ text, corners, angle: ((from + to) * 90) / Math.PI, fontSize: size, block: 0 });
    start = end + 1;
  }
  return { svg: svg.join('\n'), words };
}

// The name in one piece in the upper half of the circle, squeezed into its room.
function across(place, { x, y, radius }) {
  const size = radius * 0.34;
  const wide = Math.min(radius * 1.1, place.length * size * 0.55);
  return line(place, x, y - radius * 0.44, wide, size, 0);
}

function dated(date, { x, y, radius }) {
  const letters = Array.from(date).length;
  const size = Math.min(radius * 0.36, (radius * 2.7) / letters);
  return line(date, x, y + size * 0.35, letters * size * 0.56, size, 1);
}

// Text of a given width around `x`. Each word is stretched to its share of it, so that its place is
// known whatever the font.
function line(text, x, baseline, wide, size, block) {
  const each = wide / text.length;
  const shown = text.split(' ');
  if (RIGHT_TO_LEFT.test(text)) shown.reverse();
  const svg = [];
  const words = [];
  let left = x - wide / 2;
  for (const word of shown) {
    const right = left + word.length * each;
    const middle = (left + right) / 2;
    svg.push(`<text ${FACE} font-size="${fixed(size)}" text-anchor="middle" x="${fixed(middle)}" y="${fixed(baseline)}" textLength="${fixed(right - left)}" lengthAdjust="spacingAndGlyphs">${xml(word)}</text>`);
    const [top, bottom] = [baseline - size * 0.92, baseline + size * 0.22];
    const corners = [[left, top], [right, top], [left, bottom], [right, bottom]];
    words.push({ text: word, corners, angle: 0, fontSize: size, block });
    left = right + each;
  }
  if (RIGHT_TO_LEFT.test(text)) words.reverse();
  return { svg: svg.join('\n'), words };
}

// Words as they stand once the circle is turned.
function turner({ x, y }, degrees) {
  const [sin, cos] = [Math.sin((degrees * Math.PI) / 180), Math.cos((degrees * Math.PI) / 180)];
  return ({ corners, angle, ...word }) => {
    const turned = corners.map(([cx, cy]) => [
      x + (cx - x) * cos - (cy - y) * sin,
      y + (cx - x) * sin + (cy - y) * cos,
    ]);
    const [xs, ys] = [turned.map(([cx]) => cx), turned.map(([, cy]) => cy)];
    const [left, top] = [Math.min(...xs), Math.min(...ys)];
    const bounds = { x: left, y: top, width: Math.max(...xs) - left, height: Math.max(...ys) - top };
    return { ...word, angle: angle + degrees, bounds };
  };
}

// Seven waves from the circle to the right edge.
function lines({ x, y, radius }, width, height, tilt, ink) {
  const wave = radius * 0.5;
  const rise = radius * 0.11;
  const drift = Math.tan((tilt * Math.PI) / 180);
  const paths = [];
  for (let row = -3; row <= 3; row += 1) {
    const dy = row * radius * 0.26;
    // They swing together, wherever the circle lets them begin.
    const edge = Math.sqrt(radius * radius - dy * dy) + radius * 0.08;
    let half = Math.ceil((2 * edge) / wave);
    let path = '';
    for (let at = x + (half * wave) / 2; at + wave / 2 < width * 0.985; at += wave / 2) {
      path ||= `M${fixed(at)} ${fixed(y + dy + (at - x) * drift)}`;
      const up = half % 2 ? rise : -rise;
      path += `q${fixed(wave / 4)} ${fixed(up * 2)} ${fixed(wave / 2)} ${fixed((wave / 2) * drift)}`;
      half += 1;
    }
    paths.push(path);
  }
  return `<path fill="none" stroke="${ink}" stroke-width="${fixed(height * 0.018)}" stroke-linecap="round" d="${paths.join('')}"/>`;
}

// Ink that did not take everywhere: large patches are paler, and grains are missing.
function inking(wear) {
  const seed = random.u32() % 10000;
  return `<filter id="inking" x="0" y="0" width="1" height="1">
<feTurbulence type="fractalNoise" baseFrequency="0.035" numOctaves="2" seed="${seed}" result="patches"/>
<feColorMatrix in="patches" type="matrix" values="0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 ${fixed(-4 * wear)} 0 0 0 ${fixed(1 + 1.6 * wear)}" result="pale"/>
<feTurbulence type="fractalNoise" baseFrequency="0.6" numOctaves="2" seed="${seed + 1}" result="grain"/>
<feColorMatrix in="grain" type="matrix" values="0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 ${fixed(-6 * wear)} 0 0 0 ${fixed(1 + 3 * wear)}" result="specks"/>
<feComposite in="SourceGraphic" in2="pale" operator="in" result="patchy"/>
<feComposite in="patchy" in2="specks" operator="in"/>
</filter>`;
}
