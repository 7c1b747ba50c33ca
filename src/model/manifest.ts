import { z } from 'zod';

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, { error: 'must be 64 hexadecimal digits, lower case' });
const side = z.int().min(1).max(4096);
const perChannel = z.tuple([z.number(), z.number(), z.number()]);

/** How an image is brought to size before the centre crop. */
export type Resize =
  | { readonly kind: 'shorter-side'; readonly side: number }
  | { readonly kind: 'stretch' }
  | { readonly kind: 'none' };

const shorterSide = /^shorter-side (\d{1,4})$/;

export const resizeSchema = z.string().transform((text, context): Resize => {
  if (text === 'stretch' || text === 'none') return { kind: text };
  const pixels = Number(shorterSide.exec(text)?.[1] ?? 0);
  if (pixels >= 1) return { kind: 'shorter-side', side: pixels };
  context.addIssue({
    code: 'custom',
    message: `must be "shorter-side N", "stretch" or "none", not "${text}"`,
  });
  return z.NEVER;
});

/** What a graph takes and gives. */
export const contractSchema = z
  .object({
    input: z.object({
      /** The only input of the graph when absent. */
      name: z.string().min(1).optional(),
      /** `nhwc-u8`: RGB bytes as decoded, the graph normalises. `nchw-f32`: planes of (value / 255 - mean) / std. */
      layout: z.enum(['nhwc-u8', 'nchw-f32']),
      /** Width and height, in pixels. */
      size: side,
    }),
    resize: resizeSchema,
    /** Side of the centre crop in pixels, which is what the graph gets. */
    crop: side,
    mean: perChannel.default([0, 0, 0]),
    std: perChannel
      .refine((std) => std.every((value) => value > 0), { error: 'must be above 0' })
      .default([1, 1, 1]),
    output: z.object({
      /** The only output of the graph when absent. */
      name: z.string().min(1).optional(),
      kind: z.enum(['logits', 'probabilities']),
    }),
  })
  .refine(({ crop, input }) => crop === input.size, {
    error: ({ input }) => `crop and input.size must be equal${sides(input)}`,
    path: ['crop'],
  })
  .refine(({ resize, crop }) => resize.kind !== 'shorter-side' || resize.side >= crop, {
    error: 'crop must not be larger than the resized shorter side',
    path: ['crop'],
  })
  .refine(
    ({ input, mean, std }) =>
      input.layout !== 'nhwc-u8' || (mean.every((value) => value === 0) && std.every((value) => value === 1)),
    { error: 'nhwc-u8 feeds bytes as they are: mean must be 0 and std 1', path: ['mean'] },
  );

const sides = (value: unknown): string => {
  const { crop, input } = value as { crop?: unknown; input?: { size?: unknown } };
  return `, not ${crop} and ${input?.size}`;
};

/** `manifest.json`, beside `model.onnx` in a model folder. */
export const manifestSchema = contractSchema.and(
  z.object({
    name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, {
      error: 'must be 1 to 64 letters, digits, ".", "_" or "-"',
    }),
    /** A JSON array of names, index = class; relative to the folder. */
    labels: z.string().min(1),
    sha256,
    licence: z.string().optional(),
  }),
);

export type ModelContract = z.output<typeof contractSchema>;

/** torchvision's usual preprocessing and classification head: what a bare `.onnx` file is taken for. */
export const torchvisionContract: z.input<typeof contractSchema> = {
  input: { layout: 'nchw-f32', size: 224 },
  resize: 'shorter-side 256',
  crop: 224,
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
  output: { kind: 'logits' },
};
