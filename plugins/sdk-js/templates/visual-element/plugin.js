// {{ title }}: a round seal with a text across it.

import { element, random, Unsuitable, xml } from 'docgenie-plugin';

export default element({
  id: '{{ id }}',
  title: '{{ title }}',
  summary: 'A round seal with a text across it.',

  // What a pipeline can set under `with`: a JSON Schema. Descriptions are what its users read.
  params: {
    type: 'object',
    additionalProperties: false,
    properties: {
      colour: {
        description: 'Colour of the ink, as CSS writes it.',
        type: 'string',
        default: '#1f3f8f',
      },
      text: {
        description: 'What it says where the document does not tell.',
        type: 'string',
        default: 'APPROVED',
      },
    },
  },

  // `label` is what its place is called in the ground truth, `places` are the kinds of
  // `data-visual-element` that it fills, multiplying is what ink does to paper, and `random` says
  // that another seed gives another picture.
  traits: { label: 'seal', places: ['stamp'], blend: 'multiply', random: true },

  render({ params, content, area: { width, height } }) {
    const text = content.trim() || params.text.trim();
    if (text === '') throw new Unsuitable('there is nothing to write on the seal');

    // Everything is in pixels of the picture, from its top left.
    const [x, y] = [width / 2, height / 2];
    const radius = 0.46 * Math.min(width, height);
    // The host seeds chance from the run's seed and the document.
    const angle = random.between(-12, 12);
    const [long, size] = [1.7 * radius, radius / 3];
    const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">
      <g transform="rotate(${angle} ${x} ${y})" fill="none" stroke="${xml(params.colour)}" stroke-width="${0.05 * radius}">
        <circle cx="${x}" cy="${y}" r="${radius}"/>
        <circle cx="${x}" cy="${y}" r="${0.88 * radius}" stroke-width="1"/>
        <text x="${x - long / 2}" y="${y + size / 3}" textLength="${long}" lengthAdjust="spacingAndGlyphs"
          fill="${xml(params.colour)}" stroke="none" font-family="Liberation Sans" font-size="${size}">${xml(text)}</text>
      </g>
    </svg>`;

    // The box around the turned text, so that it is in the ground truth where it is in the picture.
    const turn = Math.abs((angle * Math.PI) / 180);
    const w = long * Math.cos(turn) + size * Math.sin(turn);
    const h = long * Math.sin(turn) + size * Math.cos(turn);
    const bounds = { x: x - w / 2, y: y - h / 2, width: w, height: h };
    return { svg, words: [{ text, bounds, angle, fontSize: size }], content: { text } };
  },
});
