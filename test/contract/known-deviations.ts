import type { TargetName } from './targets.ts';

/**
 * A case that an implementation is known to get wrong. The suite runs it and demands that it fails; only where
 * that is a matter of luck (`flaky`) is it skipped, and the reason printed.
 */
export interface Deviation {
  readonly target: TargetName;
  /** The name of the case, exactly. */
  readonly name: string;
  readonly reason: string;
  readonly flaky?: true;
}

const of = (target: TargetName, rows: Readonly<Record<string, string>>): readonly Deviation[] =>
  Object.entries(rows).map(([name, reason]) => ({ target, name, reason }));

const moto = of('moto', {
  // SQS
  'an attribute out of its range is refused as InvalidAttributeValue':
    'ranges of most attributes are not checked',
  'an attribute that SQS does not know is refused as InvalidAttributeName': 'kept like any other',
  'an SQS request with a bad signature is refused with 403': 'signatures are not checked',
  'one bad message of a batch fails alone': 'the characters of a body are not checked',
  'message attributes count towards the 1 MiB': 'only the body is measured',
  'message limits count bytes, not characters': 'a body is measured in characters',
  'an empty body is refused': 'taken as a message',
  'a body with a character that XML does not allow is refused as InvalidMessageContents':
    'the characters of a body are not checked',
  'a stale receipt handle does not delete the redelivered message':
    'every handle a message ever had deletes it',
  'a stale receipt handle does not take the lease of the redelivered message away':
    'every handle a message ever had changes its visibility',
  'the visibility of a message that is no longer in flight cannot be changed: MessageNotInflight':
    'visibility is changed in any state',
  'a RedriveAllowPolicy is returned as it was sent': 'the attribute is unknown',
  'a RedriveAllowPolicy that says nothing known is refused': 'the attribute is ignored on creation',
  'a queue that denies it cannot become a dead-letter queue': 'the attribute is ignored on creation',
  'a message in a dead-letter queue tells where it came from': 'there is no such attribute',
  'a move task sends dead letters back to where they came from, as new messages': 'answers 500',
  'a move task with a destination sends everything there': 'answers 500',
  'a slow move task can be cancelled and tells what it moved; a second one is refused': 'answers 500',
  "a move task of a queue that is nobody's dead-letter queue is refused": 'answers 500',
  'a move task of a queue that does not exist is refused as ResourceNotFoundException': 'answers 500',
  // S3
  'a range that is none is ignored': 'any unit is taken for bytes',
  'a copy whose source has another ETag than CopySourceIfMatch is refused with 412':
    'conditions on the source are ignored',
  'a quiet DeleteObjects names only failures': 'Quiet is ignored',
  'a DeleteObjects of more than 1000 keys is refused as MalformedXML': 'there is no limit',
  'ListObjects, the first version, pages by marker': 'Marker is not in the answer',
  'ListObjects, the first version, tells the next marker where there is a delimiter':
    'keys of a group already told come again behind the marker',
  'a body is checked against its ChecksumCRC32, which HeadObject tells when asked':
    'checksums are stored, not checked',
  'a body is checked against its ChecksumCRC32C, which HeadObject tells when asked':
    'checksums are stored, not checked',
  'a body is checked against its ChecksumCRC64NVME, which HeadObject tells when asked':
    'checksums are stored, not checked',
  'a body is checked against its ChecksumSHA1, which HeadObject tells when asked':
    'checksums are stored, not checked',
  'a body is checked against its ChecksumSHA256, which HeadObject tells when asked':
    'checksums are stored, not checked',
  'a bucket name that S3 does not allow is refused as InvalidBucketName': 'only the length is checked',
  'a call that expects another owner is refused as AccessDenied': 'ExpectedBucketOwner is ignored',
  'a bucket policy that is not JSON is refused as MalformedPolicy': 'policies are not read',
  'an S3 request with a bad signature is refused with 403': 'signatures are not checked',
  'a body that does not match its CRC32 is refused and not stored': 'checksums are stored, not checked',
  'a body that does not match its Content-MD5 is refused and not stored': 'Content-MD5 is ignored',
  'a streaming upload whose trailing CRC32 is wrong is refused and not stored':
    'checksums are stored, not checked',
  'a key of 1024 bytes passes and a longer one is refused as KeyTooLongError': 'keys may have any length',
  'a continuation token that S3 never gave is refused': 'answers 500',
  'a part of an upload that was never begun is refused and leaves the object alone': 'answers 500',
  // SSM, STS, IAM, EC2
  'a value above 4 KiB is refused': 'values may have any length',
  'an STS request with a bad signature is refused with 403': 'signatures are not checked',
  'a command whose script fails is Failed': 'commands always succeed',
  'an instance whose unit was stopped ends as its shutdown behaviour says': 'commands have no effect',
  'the invocations of a command are listed': 'answers 500',
  'a command for an instance that is not there is refused as InvalidInstanceId': 'ids are not looked up',
  'a command with an unknown document is refused as InvalidDocument': 'documents are not looked up',
  'inline policies of more than 10,240 characters in all are refused as LimitExceeded':
    'policies may have any size',
  'profiles are listed by the beginning of their path': 'PathPrefix is ignored',
  'an instance with a profile that does not exist is refused as InvalidParameterValue':
    'answers NoSuchEntity',
  "the default VPC's main route table leads to its internet gateway": 'it has no internet gateway',
  'an associated address is not released: InvalidIPAddress.InUse': 'it is',
  'a group in use is not deleted: DependencyViolation': 'it is',
  'a group that another one names is not deleted: DependencyViolation': 'it is',
  'a second image of the same name is refused as InvalidAMIName.Duplicate': 'names are not compared',
  'a deregistered image cannot be launched': 'it can',
  'an instance type of another architecture than the image is refused': 'architectures are not compared',
  'a filter that EC2 does not know is refused, not ignored': 'answers 500',
  'the same ClientToken launches once and answers the same instance': 'ClientToken is ignored',
  'five racing calls with the same ClientToken launch once': 'ClientToken is ignored',
  'the same ClientToken with other parameters is refused as IdempotentParameterMismatch':
    'ClientToken is ignored',
  'what is no id is refused as InvalidInstanceID.Malformed': 'answers InvalidInstanceID.NotFound',
  'stopping a stopped and starting a running instance are no errors': 'a running one becomes pending',
  'a terminated instance can neither be stopped nor started: IncorrectInstanceState':
    'a terminated instance can be stopped',
  'a tag of what does not exist is refused, and no resource of the call is tagged': 'ids are not looked up',
  'a tag whose key begins with aws: is refused': 'taken like any other',
  'a template that does not exist is NotFound, by name and by id': 'answers an empty list',
  'a new version takes what it does not say from its source, and is not the default by itself':
    'SourceVersion is ignored',
  'an instance has the metadata options of its template': 'those of the template are ignored',
  'a launch without an image is refused as MissingParameter': 'launches some image',
  'a Spot instance cannot be stopped': 'it can',
});

const elasticmq = of('elasticmq', {
  'MessageRetentionPeriod is four days unless it is chosen': 'there is no retention',
  'MaximumMessageSize is 1 MiB unless it is chosen': 'the limit cannot be chosen or read',
  'the ARN of a queue names region, account and queue': 'the region in ARNs is "elasticmq"',
  'an attribute out of its range is refused as InvalidAttributeValue': 'ranges are not checked',
  'an attribute that SQS does not know is refused as InvalidAttributeName': 'ignored',
  'server-side encryption by SQS can be asked for': 'there is no encryption',
  'a queue policy is returned as it was sent': 'policies are ignored',
  'ListQueues pages through a prefix without losing or repeating a queue': 'MaxResults is ignored',
  'an SQS request with a bad signature is refused with 403': 'signatures are not checked',
  'message attributes can be asked for by prefix': 'a prefix is taken for a name',
  'an empty batch is refused as EmptyBatchRequest': 'answers 200',
  'a batch with an id that is no id is refused as InvalidBatchEntryId': 'ids are not checked',
  'a batch of more than 1 MiB in all is refused as BatchRequestTooLong':
    'limits come as InvalidAttributeValue',
  'message attributes count towards the 1 MiB': 'only the body is measured',
  "a message above the queue's own MaximumMessageSize is refused": 'the limit cannot be chosen',
  'message limits count bytes, not characters': 'the limit cannot be chosen',
  'a body with a character that XML does not allow is refused as InvalidMessageContents':
    'limits come as InvalidAttributeValue',
  'a visibility above twelve hours is refused': 'any length is taken',
  'the visibility of a message that is no longer in flight cannot be changed: MessageNotInflight':
    'visibility is changed in any state',
  'a second purge within 60 seconds is refused as PurgeQueueInProgress': 'a queue may be purged at any time',
  'a RedriveAllowPolicy is returned as it was sent': 'ignored',
  'a RedriveAllowPolicy that says nothing known is refused': 'ignored',
  'a queue that denies it cannot become a dead-letter queue': 'RedriveAllowPolicy is ignored',
  'a slow move task can be cancelled and tells what it moved; a second one is refused':
    'a cancelled task is no longer listed',
  "a move task of a queue that is nobody's dead-letter queue is refused": 'answers 503',
  'a move task of a queue that does not exist is refused as ResourceNotFoundException':
    'answers QueueDoesNotExist',
  'deleting a message twice is no error': 'the handle of a deleted message is ReceiptHandleIsInvalid',
});

const versitygw = of('versitygw', {
  'a quiet DeleteObjects names only failures': 'Quiet is ignored',
  'a DeleteObjects of more than 1000 keys is refused as MalformedXML': 'there is no limit',
  'a bucket policy is returned as sent, and NoSuchBucketPolicy before': 'knows no such condition key',
  'a public access block is returned as sent; a new bucket has AWS defaults or none': 'answers 501',
  'the encryption is returned as sent; a new bucket has AES256 or none': 'answers 501',
  'the lifecycle is returned as sent, and NoSuchLifecycleConfiguration before': 'answers 501',
  'a streaming upload (aws-chunked with a trailing checksum) is stored without its framing':
    'aws-chunked stays in Content-Encoding',
  'a slash at the end and two in a row belong to the key': 'a key is a path in a file system',
  'a and a/b are both keys': 'a key is a path in a file system',
  'dots in a key are letters, not paths': 'a key is a path in a file system',
  'a key of 1024 bytes passes and a longer one is refused as KeyTooLongError': 'only file names have a limit',
  'a continuation token that S3 never gave is refused': 'a token is a key to go on from',
});

export const knownDeviations: readonly Deviation[] = [
  ...moto,
  ...elasticmq,
  ...versitygw,
  {
    target: 'elasticmq',
    name: 'a long poll on a queue that is deleted meanwhile ends',
    reason: 'ends with an answer that is not JSON when the poll came before the deletion',
    flaky: true,
  },
  {
    target: 'moto',
    name: 'concurrent receivers share twenty messages and none gets one twice',
    reason:
      'looks whether a message is visible and hides it in two steps, without a lock between its threads',
    flaky: true,
  },
];
