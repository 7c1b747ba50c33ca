import { openCluster } from '../src/aws/cluster.ts';
import { connect } from '../src/aws/connection.ts';
import { createReleases } from '../src/aws/releases.ts';
import { createRunCommand } from '../src/aws/run-command.ts';
import { changesOf } from '../src/provision/plan.ts';
import { carryOut, openProvisioner } from '../src/provision/provision.ts';
import { renderDone, renderPlan } from '../src/provision/render.ts';
import { type UpdateReport, updateFleet, withNewSoftware } from '../src/provision/update.ts';
import { wishOf } from '../src/provision/wish.ts';
import { holdScaler } from '../src/scaling/hold.ts';
import { openRegister } from '../src/scaling/open.ts';
import type { Command } from './command.ts';
import { confirm, orderOf, resourceSettings } from './provision-choices.ts';

const renderUpdate = ({ launched, left, release, seconds }: UpdateReport): string =>
  launched.length + left.length === 0
    ? `every instance is of version ${release.worker} (workers) and ${release.web} (web)`
    : `${launched.length} launched, ${left.length} left, in ${Math.round(seconds)} s`;

export const updateCommand: Command = {
  name: 'update',
  summary: 'Roll the software of this imgrec through the fleet, with nothing lost',
  description:
    'Pack and store the software, renew the launch templates, and replace every instance of an older version: workers, then web instances. New ones must be ready before old ones finish what they have and leave; the address moves last. When a new one does not come up, the version before takes its place again (exit 4). The scaler launches and ends nothing meanwhile. Interrupted or killed, the next run goes on.',
  settings: [...resourceSettings, 'yes', 'bootTimeoutSeconds'],
  examples: [
    {
      does: 'on the local cloud, as provisioned there',
      line: 'imgrec provision update --local --web-instances 0 --yes',
    },
    {
      does: 'on AWS, where machines take long to start',
      line: 'imgrec provision update --region eu-central-1 --boot-timeout 10m',
    },
  ],
  run: async (settings, context) => {
    const { workingFolder, output, signal } = context;
    const connection = connect(settings, workingFolder);
    const provisioner = await openProvisioner(connection, { signal, say: output.info });
    const releases = createReleases(connection);
    const commands = createRunCommand(connection);
    try {
      const { clouds, circumstances } = provisioner;
      const wish = withNewSoftware(connection, await wishOf(clouds, orderOf(settings, context)));
      const plan = await provisioner.plan(wish, settings);
      const changes = changesOf(plan);
      if (changes.length > 0) output.info(renderPlan(changes));
      await confirm('Replace every instance of an older version?', settings, context);
      const { installId } = await carryOut(provisioner, wish, plan, {
        adopt: settings.adopt,
        onDone: (step, seconds) => output.info(renderDone(step, seconds)),
      });

      const cluster = await openCluster(connection);
      const register = openRegister(cluster);
      try {
        // Two that launch and end workers at once would undo each other's work.
        const hold = await holdScaler(register, circumstances);
        try {
          const report = await updateFleet(
            { releases, commands, s3: clouds.s3, names: clouds.names, installId },
            {
              ...circumstances,
              signal: AbortSignal.any([signal, hold.lost]),
              maxWorkers: settings.maxWorkers,
              bootSeconds: settings.bootTimeoutSeconds,
              graceSeconds: settings.graceSeconds,
            },
          );
          return { data: { schema: 'imgrec.provision.update/1', ...report }, text: renderUpdate(report) };
        } finally {
          await hold.release();
        }
      } finally {
        register.close();
        cluster.close();
      }
    } finally {
      for (const { close } of [releases, commands, provisioner]) close();
    }
  },
};
