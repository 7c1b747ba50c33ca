import type { Clock } from '../../clock.ts';
import type { Entry } from '../journal.ts';
import { md5Hex } from './content.ts';
import type { Content, Message, MessageAttributes } from './message.ts';
import type { QueueEvent } from './queue.ts';

/** The journal entry that brings a message back, counts included. */
export const messageEntry = (queue: string, message: Message): Entry => {
  const entry: { t: string; [member: string]: unknown } = {
    t: 'sqs.send',
    q: queue,
    id: message.id,
    body: message.body,
    sentMs: message.sentMs,
  };
  if (message.attributes) entry['attributes'] = message.attributes;
  if (message.delaySeconds > 0) entry['delaySeconds'] = message.delaySeconds;
  if (message.receiveCount > 0) {
    entry['receives'] = message.receiveCount;
    entry['receivesHere'] = message.receivesHere;
    entry['firstMs'] = message.firstReceivedMs;
  }
  if (message.movedFrom !== undefined) entry['from'] = message.movedFrom;
  return entry;
};

/** The journal entry of one event of the queue named `q`. */
export const eventEntry = (q: string, event: QueueEvent): Entry => {
  switch (event.kind) {
    case 'send':
      return messageEntry(q, event.message);
    case 'receive':
      return { t: 'sqs.receive', q, ids: event.ids, atMs: event.atMs };
    case 'delete':
      return { t: 'sqs.delete', q, id: event.id };
    case 'move':
      return { t: 'sqs.move', q, id: event.id, to: event.to };
    case 'redrive':
      return { ...messageEntry(event.to, event.message), t: 'sqs.redrive', source: q, old: event.id };
    case 'purge':
      return { t: 'sqs.purge', q };
  }
};

/**
 * A message as its entry tells of it. Its age is taken from the wall clock this once, because the monotonic clock began
 * anew; it is ready (or still delayed), whatever it was when the cloud stopped.
 */
export const restoreMessage = (entry: Entry, clock: Clock): Message => {
  const content: Content = {
    id: entry['id'] as string,
    body: entry['body'] as string,
    bodyMd5: md5Hex(entry['body'] as string),
    ...(entry['attributes'] !== undefined && { attributes: entry['attributes'] as MessageAttributes }),
    sentMs: entry['sentMs'] as number,
    delaySeconds: (entry['delaySeconds'] as number | undefined) ?? 0,
  };
  const ageMs = Math.max(0, clock.wallMs() - content.sentMs);
  const enqueuedMs = clock.monotonicMs() - ageMs;
  return {
    ...content,
    receiveCount: (entry['receives'] as number | undefined) ?? 0,
    receivesHere: (entry['receivesHere'] as number | undefined) ?? 0,
    firstReceivedMs: entry['firstMs'] as number | undefined,
    state: content.delaySeconds * 1000 > ageMs ? 'delayed' : 'ready',
    dueMs: enqueuedMs + content.delaySeconds * 1000,
    receivedMs: 0,
    ...(entry['from'] !== undefined && { movedFrom: entry['from'] as string }),
    enqueuedMs,
  };
};
