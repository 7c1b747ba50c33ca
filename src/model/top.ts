/**
 * The k most probable classes, most probable first; of equals the lower index, as numpy's argmax.
 * @returns class and probability, rounded to 4 decimals
 */
export const topOf = (probabilities: Float32Array, k: number): readonly (readonly [number, number])[] => {
  const best: number[] = [];
  const probability = (index: number): number => probabilities[index] ?? 0;
  for (let index = 0; index < probabilities.length; index++) {
    if (best.length === k && probability(index) <= probability(best[k - 1] ?? 0)) continue;
    let at = best.length;
    while (at > 0 && probability(index) > probability(best[at - 1] ?? 0)) at--;
    best.splice(at, 0, index);
    if (best.length > k) best.pop();
  }
  return best.map((index) => [index, Math.round(probability(index) * 1e4) / 1e4] as const);
};
