// What stands in the fields of each page: a format that the templates can serve.

import { groundTruthFormat } from 'docgenie-plugin';

const fieldsOf = ({ regions, words }) =>
  regions
    .filter(({ kind }) => kind === 'field')
    .map((region) => ({ label: region.label, text: region.words.map((at) => words[at].text).join(' ') }));

export default groundTruthFormat({
  id: 'fields',
  title: 'Fields',
  summary: 'What stands in the fields of each page.',
  instructions: () => 'Mark the fields.',
  draftSchema: () => ({ type: 'object', required: ['fields'] }),
  build: (params, draft, { pages }) => ({ annotated: draft.fields.length, pages: pages.map(fieldsOf) }),
  verify(params, { pages }, document) {
    const same = JSON.stringify(pages) === JSON.stringify(document.pages.map(fieldsOf));
    return same ? [] : [{ pointer: '/pages', message: 'the document has others' }];
  },
});
