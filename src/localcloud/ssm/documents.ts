import type { Clock } from '../../clock.ts';
import { Refusal } from '../answer.ts';
import { type Input, optionalText } from '../input.ts';
import type { Shelf, Shelves } from '../shelf.ts';
import { sha256Hex } from '../sigv4.ts';
import { type CommandContent, readCommandContent } from './command-content.ts';
import type { SsmOperations } from './operations.ts';
import { listOfTags, readTags, type TaggableKind, type Tags } from './tags.ts';

interface Document {
  readonly name: string;
  readonly defaultVersion: number;
  readonly createdMs: number;
  /** Version 1 first. */
  readonly versions: readonly string[];
  readonly tags: Tags;
}

export interface Documents {
  readonly operations: SsmOperations;
  readonly taggable: TaggableKind;
  /** What a document says, in the default version where none is named. Throws InvalidDocument. */
  readonly read: (
    name: string,
    version: string | undefined,
  ) => { readonly version: string; readonly content: CommandContent };
}

const nameForm = /^[a-zA-Z0-9_\-.]{3,128}$/;
/** https://docs.aws.amazon.com/general/latest/gr/ssm.html#limits_ssm */
const maxContentBytes = 64 * 1024;
const maxVersions = 1_000;

/** What Amazon has for everybody. */
const builtIn: Readonly<Record<string, string>> = {
  'AWS-RunShellScript': JSON.stringify({
    schemaVersion: '1.2',
    description: 'Run a shell script or specify the commands to run.',
    parameters: { commands: { type: 'StringList', description: 'The commands to run.' } },
    runtimeConfig: {
      'aws:runShellScript': { properties: [{ id: '0.aws:runShellScript', runCommand: '{{ commands }}' }] },
    },
  }),
};

/** Documents of type Command, in JSON. */
export const createDocuments = (options: {
  readonly shelves: Shelves;
  readonly clock: Clock;
  readonly account: string;
}): Documents => {
  const documents: Shelf<Document> = options.shelves.open('ssm.document');

  const find = (name: string): Document => {
    const document = documents.get(name);
    if (!document) throw new Refusal('InvalidDocument', `Document with name ${name} does not exist.`);
    return document;
  };
  const named = (input: Input): Document => find(optionalText(input, 'Name') ?? '');

  const versionOf = (document: Document, version = '$DEFAULT'): number => {
    const number =
      version === '$DEFAULT'
        ? document.defaultVersion
        : version === '$LATEST'
          ? document.versions.length
          : Number(version);
    if (document.versions[number - 1] === undefined)
      throw new Refusal('InvalidDocumentVersion', 'The document version is not valid or does not exist.');
    return number;
  };

  const readContent = (input: Input): string => {
    const content = optionalText(input, 'Content') ?? '';
    if (Buffer.byteLength(content) > maxContentBytes)
      throw new Refusal('MaxDocumentSizeExceeded', 'The size limit of a document is 64 KB.');
    if ((optionalText(input, 'DocumentFormat') ?? 'JSON') !== 'JSON')
      throw new Refusal('UnsupportedOperation', 'The local cloud reads documents in JSON.', 501);
    readCommandContent(content);
    return content;
  };

  const described = (document: Document, number: number): object => {
    const content = document.versions[number - 1] ?? '';
    const { schemaVersion } = readCommandContent(content);
    return {
      Name: document.name,
      Owner: options.account,
      CreatedDate: document.createdMs / 1000,
      Status: 'Active',
      DocumentVersion: String(number),
      DefaultVersion: String(document.defaultVersion),
      LatestVersion: String(document.versions.length),
      DocumentType: 'Command',
      DocumentFormat: 'JSON',
      SchemaVersion: schemaVersion,
      Hash: sha256Hex(content),
      HashType: 'Sha256',
      PlatformTypes: ['Linux'],
      Tags: listOfTags(document.tags),
    };
  };

  const create = (input: Input): object => {
    const name = optionalText(input, 'Name') ?? '';
    if (!nameForm.test(name))
      throw new Refusal(
        'ValidationException',
        `Document name: must match ${nameForm.source}; got '${name}'.`,
      );
    if ((optionalText(input, 'DocumentType') ?? 'Command') !== 'Command')
      throw new Refusal('UnsupportedOperation', 'The local cloud has documents of type Command.', 501);
    if (documents.get(name) || Object.hasOwn(builtIn, name) || /^(aws|amazon|amzn)-/i.test(name))
      throw new Refusal('DocumentAlreadyExists', `Document with same name ${name} already exists`);
    const document: Document = {
      name,
      defaultVersion: 1,
      createdMs: options.clock.wallMs(),
      versions: [readContent(input)],
      tags: readTags(input),
    };
    documents.put(name, document);
    return { DocumentDescription: described(document, 1) };
  };

  const update = (input: Input): object => {
    const document = named(input);
    if (versionOf(document, optionalText(input, 'DocumentVersion') ?? '$LATEST') !== document.versions.length)
      throw new Refusal('InvalidDocumentVersion', 'Only the latest version of a document can be updated.');
    const content = readContent(input);
    if (document.versions.includes(content))
      throw new Refusal(
        'DuplicateDocumentContent',
        'The content of the association document matches another document. Change the content of the document and try again.',
      );
    if (document.versions.length >= maxVersions)
      throw new Refusal('DocumentVersionLimitExceeded', `A document has at most ${maxVersions} versions.`);
    const changed = { ...document, versions: [...document.versions, content] };
    documents.put(document.name, changed);
    return { DocumentDescription: described(changed, changed.versions.length) };
  };

  const setDefault = (input: Input): object => {
    const document = named(input);
    const changed = {
      ...document,
      defaultVersion: versionOf(document, optionalText(input, 'DocumentVersion')),
    };
    documents.put(document.name, changed);
    return { Description: { Name: document.name, DefaultVersion: String(changed.defaultVersion) } };
  };

  const contentOf = (input: Input): object => {
    const document = named(input);
    const number = versionOf(document, optionalText(input, 'DocumentVersion'));
    return {
      Name: document.name,
      DocumentVersion: String(number),
      Status: 'Active',
      Content: document.versions[number - 1],
      DocumentType: 'Command',
      DocumentFormat: 'JSON',
    };
  };

  return {
    operations: {
      CreateDocument: create,
      UpdateDocument: update,
      UpdateDocumentDefaultVersion: setDefault,
      DescribeDocument: (input) => {
        const document = named(input);
        return { Document: described(document, versionOf(document, optionalText(input, 'DocumentVersion'))) };
      },
      GetDocument: contentOf,
      DeleteDocument: (input) => {
        documents.remove(named(input).name);
        return {};
      },
    },
    taggable: {
      type: 'Document',
      tagsOf: (name) => documents.get(name)?.tags,
      setTags: (name, tags) => documents.put(name, { ...find(name), tags }),
    },
    read: (name, version) => {
      const ready = Object.hasOwn(builtIn, name) ? builtIn[name] : undefined;
      if (ready !== undefined) return { version: '1', content: readCommandContent(ready) };
      const document = find(name);
      const number = versionOf(document, version);
      return { version: String(number), content: readCommandContent(document.versions[number - 1] ?? '') };
    },
  };
};
