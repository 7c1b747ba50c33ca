import type { FaultTest } from '../trial.ts';
import { cloudTests } from './cloud.ts';
import { thousand } from './controller.ts';
import { elasticTests } from './elastic.ts';
import { imageTests } from './images.ts';
import { machineTests } from './machine.ts';
import { messageTests } from './messages.ts';
import { scalingTests } from './scaling.ts';
import { stepTests } from './steps.ts';
import { webTests } from './web.ts';
import { workerTests } from './workers.ts';

/** Every fault test, in the order of its number. */
export const faultTests: readonly FaultTest[] = [
  ...workerTests,
  ...stepTests,
  ...webTests,
  ...cloudTests,
  ...imageTests,
  ...messageTests,
  ...machineTests,
  ...scalingTests,
  ...elasticTests,
  thousand,
].sort((a, b) => Number(a.name.slice(1)) - Number(b.name.slice(1)));
