import { Refusal } from '../answer.ts';

export interface DocumentKind {
  /** AWS's error code when the bucket has none. */
  readonly absentCode: string;
  readonly putStatus?: number;
  readonly mediaType?: string;
  /** Throws a Refusal for what is surely malformed. */
  readonly check?: (document: string) => void;
}

const xmlRoot = (root: string) => (document: string) => {
  const found = /^\s*(?:<\?xml[^>]*\?>\s*)?<([A-Za-z]+)/.exec(document)?.[1];
  if (found !== root)
    throw new Refusal(
      'MalformedXML',
      'The XML you provided was not well-formed or did not validate against our published schema',
    );
};

/** Sub-resources of a bucket that are kept as sent and given back as sent; nothing here acts on what they say. */
export const documentKinds: Readonly<Record<string, DocumentKind>> = {
  tagging: { absentCode: 'NoSuchTagSet', putStatus: 204, check: xmlRoot('Tagging') },
  policy: {
    absentCode: 'NoSuchBucketPolicy',
    putStatus: 204,
    mediaType: 'application/json',
    check: (document) => {
      try {
        JSON.parse(document);
      } catch {
        throw new Refusal('MalformedPolicy', 'This policy contains invalid Json');
      }
    },
  },
  publicAccessBlock: {
    absentCode: 'NoSuchPublicAccessBlockConfiguration',
    check: xmlRoot('PublicAccessBlockConfiguration'),
  },
  encryption: {
    absentCode: 'ServerSideEncryptionConfigurationNotFoundError',
    check: xmlRoot('ServerSideEncryptionConfiguration'),
  },
  lifecycle: { absentCode: 'NoSuchLifecycleConfiguration', check: xmlRoot('LifecycleConfiguration') },
  ownershipControls: { absentCode: 'OwnershipControlsNotFoundError', check: xmlRoot('OwnershipControls') },
};
