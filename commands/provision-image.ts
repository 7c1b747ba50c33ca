import { connect } from '../src/aws/connection.ts';
import { createRunCommand } from '../src/aws/run-command.ts';
import { exitCodes, ImgrecError } from '../src/errors.ts';
import { bakeImage } from '../src/provision/image.ts';
import { inImage } from '../src/provision/machines.ts';
import { findInstall } from '../src/provision/plan.ts';
import { openProvisioner } from '../src/provision/provision.ts';
import { storeSoftware } from '../src/provision/software.ts';
import { newestImageFor } from '../src/provision/survey.ts';
import { softwareToStore } from '../src/provision/update.ts';
import type { Command } from './command.ts';
import { machineChoicesOf } from './provision-choices.ts';

export const imageCommand: Command = {
  name: 'image',
  summary: 'Make a machine image that has the software in it, so that instances boot without fetching it',
  description:
    'Launch an instance from Amazon Linux that installs the software and tries it, look at it through SSM, make an image of it, end it, and write the id into the parameter that launch templates are made from. "imgrec provision update" then rolls it through the fleet. Takes some ten minutes; the snapshot costs a little each month.',
  settings: ['instanceTypes', 'webInstanceType', 'graceSeconds', 'keepImages'],
  examples: [
    { does: 'on the local cloud, as provisioned there', line: 'imgrec provision image --local' },
    {
      does: 'on AWS, and no older one kept but what is in use',
      line: 'imgrec provision image --region eu-central-1 --keep-images 1',
    },
  ],
  run: async (settings, { workingFolder, output, signal }) => {
    const connection = connect(settings, workingFolder);
    const provisioner = await openProvisioner(connection, { signal, say: output.info });
    const commands = createRunCommand(connection);
    try {
      const { clouds, keepers, circumstances } = provisioner;
      const { id: installId } = await findInstall(clouds, keepers);
      if (installId === undefined)
        throw new ImgrecError(`cluster ${clouds.names.cluster} is not provisioned`, {
          hint: 'run "imgrec provision" first',
          exitCode: exitCodes.cloud,
        });
      const choices = machineChoicesOf(settings);
      // The builder is one of the workers' kind; a web instance may have another processor.
      const software = { ...softwareToStore(connection), web: inImage };
      const { worker } = await storeSoftware(clouds, choices, software, circumstances);
      const baked = await bakeImage(
        { ...clouds, templates: clouds.ec2.templates, commands, installId },
        {
          ...circumstances,
          baseImageId: await newestImageFor(clouds, choices.instanceTypes[0]),
          artifact: worker === inImage ? undefined : worker,
          graceSeconds: settings.graceSeconds,
          keep: settings.keepImages,
        },
      );
      return {
        data: { schema: 'imgrec.provision.image/1', ...baked },
        text: `image ${baked.imageId} (${baked.name}); roll it out with "imgrec provision update"`,
      };
    } finally {
      for (const { close } of [commands, provisioner]) close();
    }
  },
};
