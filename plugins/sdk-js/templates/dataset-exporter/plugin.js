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
      file: {
        description: "The file's name.",
        type: 'string',
        default: 'pages.jsonl',
      },
    },
  },

  // One export. It writes as it goes and holds no documents, which are lent for one call.
  begin({ params }) {
    const file = files.create(params.file);
    const count = new Reconciliation();
    return {
      // What is taken and what is written are counted apart: the host fails an export that lost
      // something in between.
      add(document) {
        count.taken.documents += 1;
        document.pages.forEach((page, at) => {
          const words = page.words.map(({ text, bounds }) => ({ text, bounds }));
          const line = { document: document.id, page: at + 1, text: page.text, words };
          file.write(`${JSON.stringify(line)}\n`);
        });
        count.written.documents += 1;
      },

      finish() {
        file.close();
        return count;
      },
    };
  },
});
