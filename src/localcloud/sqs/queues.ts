import type { Clock } from '../../clock.ts';
import { Refusal } from '../answer.ts';
import type { Entry, Journal } from '../journal.ts';
import {
  type Attributes,
  checkAttributes,
  effectiveAttributes,
  numberOf,
  parseRedrive,
  permitsRedrive,
} from './attributes.ts';
import { eventEntry, messageEntry, restoreMessage } from './entries.ts';
import { invalidParameter } from './errors.ts';
import { createQueue, type Queue, type QueueSettings } from './queue.ts';

/** A queue with its name and configuration. */
export interface NamedQueue {
  readonly name: string;
  readonly arn: string;
  readonly queue: Queue;
  readonly createdMs: number;
  modifiedMs: number;
  /** Only what was set. */
  attributes: Attributes;
  tags: Attributes;
  settings: QueueSettings;
  /** Monotonic. */
  purgedMs: number;
}

export interface Queues {
  create(name: string, attributes: Attributes, tags: Attributes): NamedQueue;
  /** Throws QueueDoesNotExist. */
  get(name: string): NamedQueue;
  find(name: string): NamedQueue | undefined;
  names(): readonly string[];
  arnOf(name: string): string;
  /** Names, in order, of the queues whose dead-letter queue this is. */
  sourcesOf(deadLetters: NamedQueue): readonly string[];
  setAttributes(name: string, attributes: Attributes): void;
  addTags(name: string, tags: Attributes): void;
  removeTags(name: string, keys: readonly string[]): void;
  /** Throws PurgeQueueInProgress within 60 seconds of the last one. */
  purge(name: string): void;
  remove(name: string): void;
  replay(entry: Entry): void;
  snapshot(): Iterable<Entry>;
  close(): void;
}

/** "You must wait 60 seconds after deleting a queue before you can create another queue with the same name." */
const deletedRecentlyMs = 60_000;
/** "Only one PurgeQueue operation on my-queue is allowed every 60 seconds." */
const purgeEveryMs = 60_000;
const nameForm = /^[A-Za-z0-9_-]{1,80}$/;

export const createQueues = (options: {
  readonly clock: Clock;
  readonly journal: () => Journal;
  readonly region: string;
  readonly account: string;
}): Queues => {
  const { clock } = options;
  const queues = new Map<string, NamedQueue>();
  /** Name to the wall clock's time of deletion, as written down, and the monotonic time until which it blocks. */
  const deleted = new Map<string, { readonly atMs: number; readonly untilMs: number }>();

  const arnOf = (name: string): string => `arn:aws:sqs:${options.region}:${options.account}:${name}`;

  const settingsOf = (attributes: Attributes): QueueSettings => {
    const policy = attributes['RedrivePolicy'];
    const redrive = policy ? parseRedrive(policy) : undefined;
    return {
      visibilitySeconds: numberOf(attributes, 'VisibilityTimeout'),
      retentionSeconds: numberOf(attributes, 'MessageRetentionPeriod'),
      ...(redrive && {
        redrive: { maxReceives: redrive.maxReceives, queueName: redrive.queueArn.split(':').at(-1) ?? '' },
      }),
    };
  };

  const add = (
    name: string,
    attributes: Attributes,
    tags: Attributes,
    createdMs: number,
    modifiedMs: number,
  ) => {
    const named: NamedQueue = {
      name,
      arn: arnOf(name),
      createdMs,
      modifiedMs,
      attributes,
      tags,
      settings: settingsOf(attributes),
      purgedMs: Number.NEGATIVE_INFINITY,
      queue: createQueue({
        name,
        clock,
        settings: () => named.settings,
        record: (event) => options.journal().append(eventEntry(name, event)),
        queueNamed: (other) => queues.get(other)?.queue,
      }),
    };
    queues.set(name, named);
    return named;
  };

  const createEntry = (named: NamedQueue): Entry => ({
    t: 'sqs.create',
    q: named.name,
    attributes: named.attributes,
    tags: named.tags,
    createdMs: named.createdMs,
    modifiedMs: named.modifiedMs,
  });

  const checkRedriveTarget = (name: string, attributes: Attributes): void => {
    const policy = attributes['RedrivePolicy'];
    if (!policy) return;
    const { queueArn } = parseRedrive(policy);
    const target = queues.get(queueArn.split(':').at(-1) ?? '');
    if (target?.arn !== queueArn || target.name === name)
      throw invalidParameter(
        `Value ${policy} for parameter RedrivePolicy is invalid. Reason: Dead letter target does not exist.`,
      );
    const allowed = target.attributes['RedriveAllowPolicy'];
    if (allowed && !permitsRedrive(allowed, arnOf(name)))
      throw invalidParameter(
        `Value ${policy} for parameter RedrivePolicy is invalid. Reason: Queue ${queueArn} does not have permission to be used as a dead-letter queue by ${arnOf(name)}.`,
      );
  };

  const get = (name: string): NamedQueue => {
    const named = queues.get(name);
    if (!named) throw new Refusal('QueueDoesNotExist', 'The specified queue does not exist.');
    return named;
  };

  const drop = (named: NamedQueue): void => {
    queues.delete(named.name);
    named.queue.close();
  };

  const blockName = (name: string, atMs: number): void => {
    const ageMs = Math.max(0, clock.wallMs() - atMs);
    deleted.set(name, { atMs, untilMs: clock.monotonicMs() + deletedRecentlyMs - ageMs });
  };

  const replay = (entry: Entry): void => {
    const name = entry['q'] as string;
    const named = queues.get(name);
    switch (entry.t) {
      case 'sqs.create':
        if (named) drop(named);
        deleted.delete(name);
        add(
          name,
          entry['attributes'] as Attributes,
          entry['tags'] as Attributes,
          entry['createdMs'] as number,
          entry['modifiedMs'] as number,
        );
        return;
      case 'sqs.set':
        if (!named) return;
        named.attributes = entry['attributes'] as Attributes;
        named.settings = settingsOf(named.attributes);
        named.modifiedMs = entry['modifiedMs'] as number;
        return;
      case 'sqs.tags':
        if (named) named.tags = entry['tags'] as Attributes;
        return;
      case 'sqs.remove':
        if (named) drop(named);
        blockName(name, entry['atMs'] as number);
        return;
      case 'sqs.send':
        named?.queue.accept(restoreMessage(entry, clock));
        return;
      case 'sqs.receive':
        for (const id of entry['ids'] as readonly string[])
          named?.queue.countReceive(id, entry['atMs'] as number);
        return;
      case 'sqs.delete':
        named?.queue.take(entry['id'] as string);
        return;
      case 'sqs.purge':
        named?.queue.forgetAll();
        return;
      case 'sqs.move': {
        const message = named?.queue.take(entry['id'] as string);
        const target = queues.get(entry['to'] as string)?.queue;
        if (message) target?.accept({ ...message, receivesHere: 0, movedFrom: name });
        return;
      }
      case 'sqs.redrive':
        queues.get(entry['source'] as string)?.queue.take(entry['old'] as string);
        named?.queue.accept(restoreMessage(entry, clock));
        return;
    }
  };

  const setTags = (named: NamedQueue, tags: Attributes): void => {
    options.journal().append({ t: 'sqs.tags', q: named.name, tags });
    named.tags = tags;
  };

  return {
    create: (name, attributes, tags) => {
      if (name.endsWith('.fifo') || attributes['FifoQueue'] === 'true')
        throw new Refusal(
          'UnsupportedOperation',
          'This local cloud has standard queues only, no FIFO queues.',
        );
      if (!nameForm.test(name))
        throw invalidParameter(
          'Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length',
        );
      const checked = checkAttributes(attributes);
      const present = queues.get(name);
      if (present) {
        const effective = effectiveAttributes(present.attributes);
        for (const [attribute, value] of Object.entries(checked))
          if ((effective[attribute] ?? '') !== value)
            throw new Refusal(
              'QueueNameExists',
              `A queue already exists with the same name and a different value for attribute ${attribute}`,
            );
        return present;
      }
      const block = deleted.get(name);
      if (block && clock.monotonicMs() < block.untilMs)
        throw new Refusal(
          'QueueDeletedRecently',
          'You must wait 60 seconds after deleting a queue before you can create another with the same name.',
        );
      checkRedriveTarget(name, checked);
      const nowMs = clock.wallMs();
      options.journal().append({
        t: 'sqs.create',
        q: name,
        attributes: checked,
        tags,
        createdMs: nowMs,
        modifiedMs: nowMs,
      });
      deleted.delete(name);
      return add(name, checked, tags, nowMs, nowMs);
    },

    get,
    find: (name) => queues.get(name),
    names: () => [...queues.keys()].sort(),
    arnOf,
    sourcesOf: (deadLetters) =>
      [...queues.values()]
        .filter(({ settings }) => settings.redrive?.queueName === deadLetters.name)
        .map(({ name }) => name)
        .sort(),

    setAttributes: (name, attributes) => {
      const named = get(name);
      const checked = checkAttributes(attributes);
      checkRedriveTarget(name, checked);
      const merged = { ...named.attributes, ...checked };
      const modifiedMs = clock.wallMs();
      options.journal().append({ t: 'sqs.set', q: name, attributes: merged, modifiedMs });
      named.attributes = merged;
      named.settings = settingsOf(merged);
      named.modifiedMs = modifiedMs;
    },

    addTags: (name, tags) => {
      const named = get(name);
      const merged = { ...named.tags, ...tags };
      if (Object.keys(merged).length > 50)
        throw invalidParameter('Too many tags added for queue: at most 50.');
      setTags(named, merged);
    },

    removeTags: (name, keys) => {
      const named = get(name);
      const gone = new Set(keys);
      setTags(named, Object.fromEntries(Object.entries(named.tags).filter(([key]) => !gone.has(key))));
    },

    purge: (name) => {
      const named = get(name);
      const nowMs = clock.monotonicMs();
      if (nowMs < named.purgedMs + purgeEveryMs)
        throw new Refusal(
          'PurgeQueueInProgress',
          `Only one PurgeQueue operation on ${name} is allowed every 60 seconds.`,
          403,
        );
      named.queue.purge();
      named.purgedMs = nowMs;
    },

    remove: (name) => {
      const named = get(name);
      const atMs = clock.wallMs();
      options.journal().append({ t: 'sqs.remove', q: name, atMs });
      drop(named);
      blockName(name, atMs);
    },

    replay,
    snapshot: function* () {
      const nowMs = clock.monotonicMs();
      for (const [name, { atMs, untilMs }] of deleted)
        if (untilMs > nowMs && !queues.has(name)) yield { t: 'sqs.remove', q: name, atMs };
      for (const named of queues.values()) yield createEntry(named);
      for (const named of queues.values())
        for (const message of named.queue.messages()) yield messageEntry(named.name, message);
    },
    close: () => {
      for (const named of queues.values()) named.queue.close();
    },
  };
};
