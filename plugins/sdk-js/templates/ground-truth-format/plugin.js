// {{ title }}: one sentence about the document.

import { groundTruthFormat, Unsuitable } from 'docgenie-plugin';

export default groundTruthFormat({
  id: '{{ id }}',
  title: '{{ title }}',
  summary: 'One sentence about the document.',

  // What a pipeline can set: a JSON Schema. Descriptions are what its users read.
  params: {
    type: 'object',
    additionalProperties: false,
    properties: {
      max_words: {
        description: 'The most words that the sentence may have.',
        type: 'integer',
        minimum: 1,
        maximum: 100,
        default: 30,
      },
    },
  },

  // Part of the prompt of whoever writes the document.
  instructions: ({ max_words }) =>
    `Sum the document up in one sentence of at most ${max_words} words, as \`summary\`.`,

  // What the writer hands in. Descriptions are part of what it is asked for.
  draftSchema: () => ({
    type: 'object',
    properties: {
      summary: {
        description: 'One sentence that says what the document is about.',
        type: 'string',
      },
    },
    required: ['summary'],
  }),

  // What the dataset holds of the finished document.
  build(params, draft, document) {
    if (document.pages.length === 0) throw new Unsuitable('it has no pages');
    return { summary: draft.summary.trim(), pages: document.pages.length };
  },

  // What is not true of the document.
  verify({ max_words }, truth) {
    if (truth.summary.trim().split(/\s+/).length <= max_words) return [];
    return [{ pointer: '/summary', message: `it has more than ${max_words} words` }];
  },
});
