import type { Edit } from './product.ts';

/** A bug that is known to be in a build, to prove that the tests see it. */
export interface PlantedBug {
  readonly name: string;
  readonly title: string;
  readonly edits: readonly Edit[];
  /** The test that must fail. */
  readonly caughtBy: string;
  /** The failed check that shows that it was this bug. */
  readonly by: RegExp;
}

export const plantedBugs: readonly PlantedBug[] = [
  {
    name: 'delete-first',
    title: 'the message is deleted before the result is stored',
    edits: [
      {
        file: 'src/worker/worker.js',
        find: 'const ending = await (options.seed',
        replace:
          'await sqs.remover(names.requests).add(lease.delivery.handle); const ending = await (options.seed',
      },
    ],
    caughtBy: 'F1',
    by: /^lost is/,
  },
  {
    name: 'no-renewal',
    title: 'leases are not renewed',
    edits: [
      {
        file: 'src/worker/leases.js',
        find: 'const handles = [...held.keys()];',
        replace: 'const handles = [];',
      },
    ],
    caughtBy: 'F14',
    by: /^(reads of one image|lost leases)/,
  },
  {
    name: 'ack-on-failure',
    title: 'a message whose job failed is deleted',
    edits: [
      {
        file: 'src/worker/worker.js',
        find: 'await conclusions.handBackAfterTrouble(lease);',
        replace: 'await sqs.remover(names.requests).add(lease.delivery.handle); leases.settle(lease);',
      },
    ],
    caughtBy: 'F12',
    by: /^lost is/,
  },
];
