// {{ title }}: a file with one line of JSON a page.

import { datasetExporter, files, Reconciliation } from 'docgenie-plugin';

export default datasetExporter({
  id: '{{ id }}',
  title: '{{ title }}',
  summary: 'One line of JSON a page.',

  // What a pipeline can set under `with`: a JSON Schema. Descriptions are what its users read.
  params: {
    type: 'object',
    additionalProperties: false,
    properties: {
      file: { description: "The file's name.", type: 'string', default: 'pages.jsonl' },
    },
  },

  begin: ({ params }) => new Lines(params.file),
});

// One export. It writes as it goes and holds no documents.
class Lines {
  count = new Reconciliation();

  constructor(path) {
    this.file = files.create(path);
  }

  // What is taken and what is written are counted apart: the host fails an export that lost
  // something in between.
  add(document) {
    this.count.taken.documents += 1;
    document.pages.forEach((page, index) => {
      const words = page.words.map(({ text, bounds }) => ({ text, bounds }));
      const line = { document: document.id, page: index + 1, text: page.text, words };
      this.file.write(`${JSON.stringify(line)}\n`);
    });
    this.count.written.documents += 1;
  }

  finish() {
    this.file.close();
    return this.count;
  }
}
