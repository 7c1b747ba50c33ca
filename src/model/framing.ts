import type { ModelContract } from './manifest.ts';
import type { ResampleWindow } from './resample.ts';

/** Rounds halves to the even neighbour, as Python's `round` does. */
export const roundHalfEven = (value: number): number => {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
};

const resizedSize = (width: number, height: number, contract: ModelContract): readonly [number, number] => {
  const { resize, crop } = contract;
  if (resize.kind === 'none') return [width, height];
  if (resize.kind === 'stretch') return [crop, crop];
  // torchvision.transforms.Resize truncates the longer side.
  return width <= height
    ? [resize.side, Math.trunc((resize.side * height) / width)]
    : [Math.trunc((resize.side * width) / height), resize.side];
};

/**
 * Which part of an image, at which size, the model sees: torchvision's `Resize` and `CenterCrop`.
 * Undefined when the image is smaller than the crop, which only `resize: none` allows to happen.
 */
export const frame = (width: number, height: number, contract: ModelContract): ResampleWindow | undefined => {
  const { crop } = contract;
  const [resizedWidth, resizedHeight] = resizedSize(width, height, contract);
  if (resizedWidth < crop || resizedHeight < crop) return undefined;
  return {
    sourceWidth: width,
    sourceHeight: height,
    resizedWidth,
    resizedHeight,
    left: roundHalfEven((resizedWidth - crop) / 2),
    top: roundHalfEven((resizedHeight - crop) / 2),
    width: crop,
    height: crop,
  };
};
