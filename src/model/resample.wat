;; The two passes of src/model/resample.ts with SIMD, giving the same bytes. `npm run assemble` makes resample-wasm.ts of it.
;;
;; A weight has 22 fraction bits and a pixel 8, too many for the 16-bit dot product, which is the fast one. So each weight
;; is two: w = high * 4096 + low, both of which fit. Two taps are multiplied and added at once. Sums wrap at 32 bits like
;; those of the JavaScript, so the result is the same however long they are.
;;
;; A table holds, for each output position, pairs of taps: (low of the first, low of the second), (high, high), 16 bits
;; each. A sum is (high << 12) + low, rounded to whole numbers by adding half and shifting. Where there is no tap a weight is 0, and whatever is read there does not matter, as long as there is memory.
(module
  (import "imgrec" "memory" (memory 1))

  ;; One row of the source, interleaved RGB, to one line. Before its pairs, each position of the table has the offset of
  ;; its first pixel in the row, in bytes. Writes one byte behind the line.
  (func (export "horizontal")
    (param $source i32) (param $table i32) (param $pairs i32) (param $line i32) (param $lineEnd i32)
    (local $pixel i32) (local $left i32) (local $both v128) (local $low v128) (local $high v128)
    (local $half v128)
    (local.set $half (v128.const i32x4 2097152 2097152 2097152 2097152))
    (loop $positions
      (local.set $pixel (i32.add (local.get $source) (i32.load (local.get $table))))
      (local.set $table (i32.add (local.get $table) (i32.const 4)))
      (local.set $low (v128.const i32x4 0 0 0 0))
      (local.set $high (v128.const i32x4 0 0 0 0))
      (local.set $left (local.get $pairs))
      (loop $taps
        ;; r g b r' g' b' to r r' g g' b b', 16 bits each.
        (local.set $both
          (i8x16.shuffle 0 16 3 16 1 16 4 16 2 16 5 16 16 16 16 16
            (v128.load64_zero (local.get $pixel))
            (v128.const i32x4 0 0 0 0)))
        (local.set $low
          (i32x4.add (local.get $low)
            (i32x4.dot_i16x8_s (local.get $both) (v128.load32_splat (local.get $table)))))
        (local.set $high
          (i32x4.add (local.get $high)
            (i32x4.dot_i16x8_s (local.get $both) (v128.load32_splat offset=4 (local.get $table)))))
        (local.set $pixel (i32.add (local.get $pixel) (i32.const 6)))
        (local.set $table (i32.add (local.get $table) (i32.const 8)))
        (br_if $taps (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
      (local.set $low (i32x4.shr_s (i32x4.add (i32x4.add (i32x4.shl (local.get $high) (i32.const 12)) (local.get $low)) (local.get $half)) (i32.const 22)))
      (local.set $low (i16x8.narrow_i32x4_s (local.get $low) (local.get $low)))
      (i32.store (local.get $line)
        (i32x4.extract_lane 0 (i8x16.narrow_i16x8_u (local.get $low) (local.get $low))))
      (br_if $positions
        (i32.lt_u
          (local.tee $line (i32.add (local.get $line) (i32.const 3)))
          (local.get $lineEnd)))))

  ;; Lines that follow each other, `stride` bytes apart, to one row of the output, 16 bytes at once; writes up to 15 bytes behind it.
  (func (export "vertical")
    (param $lines i32) (param $stride i32) (param $table i32) (param $pairs i32) (param $out i32) (param $outEnd i32)
    (local $line i32) (local $weights i32) (local $left i32)
    (local $a v128) (local $b v128) (local $both v128) (local $low v128) (local $high v128)
    (local $low0 v128) (local $low1 v128) (local $low2 v128) (local $low3 v128)
    (local $high0 v128) (local $high1 v128) (local $high2 v128) (local $high3 v128)
    (local $half v128)
    (local.set $half (v128.const i32x4 2097152 2097152 2097152 2097152))
    (loop $blocks
      (local.set $low0 (v128.const i32x4 0 0 0 0))
      (local.set $low1 (v128.const i32x4 0 0 0 0))
      (local.set $low2 (v128.const i32x4 0 0 0 0))
      (local.set $low3 (v128.const i32x4 0 0 0 0))
      (local.set $high0 (v128.const i32x4 0 0 0 0))
      (local.set $high1 (v128.const i32x4 0 0 0 0))
      (local.set $high2 (v128.const i32x4 0 0 0 0))
      (local.set $high3 (v128.const i32x4 0 0 0 0))
      (local.set $line (local.get $lines))
      (local.set $weights (local.get $table))
      (local.set $left (local.get $pairs))
      (loop $taps
        (local.set $low (v128.load32_splat (local.get $weights)))
        (local.set $high (v128.load32_splat offset=4 (local.get $weights)))
        (local.set $a (v128.load (local.get $line)))
        (local.set $line (i32.add (local.get $line) (local.get $stride)))
        (local.set $b (v128.load (local.get $line)))
        (local.set $line (i32.add (local.get $line) (local.get $stride)))
        (local.set $weights (i32.add (local.get $weights) (i32.const 8)))
        ;; The first 8 bytes of both lines in turn, then the others.
        (local.set $both
          (i8x16.shuffle 0 16 1 17 2 18 3 19 4 20 5 21 6 22 7 23 (local.get $a) (local.get $b)))
        (local.set $a
          (i8x16.shuffle 8 24 9 25 10 26 11 27 12 28 13 29 14 30 15 31 (local.get $a) (local.get $b)))
        (local.set $b (i16x8.extend_low_i8x16_u (local.get $both)))
        (local.set $low0 (i32x4.add (local.get $low0) (i32x4.dot_i16x8_s (local.get $b) (local.get $low))))
        (local.set $high0 (i32x4.add (local.get $high0) (i32x4.dot_i16x8_s (local.get $b) (local.get $high))))
        (local.set $b (i16x8.extend_high_i8x16_u (local.get $both)))
        (local.set $low1 (i32x4.add (local.get $low1) (i32x4.dot_i16x8_s (local.get $b) (local.get $low))))
        (local.set $high1 (i32x4.add (local.get $high1) (i32x4.dot_i16x8_s (local.get $b) (local.get $high))))
        (local.set $b (i16x8.extend_low_i8x16_u (local.get $a)))
        (local.set $low2 (i32x4.add (local.get $low2) (i32x4.dot_i16x8_s (local.get $b) (local.get $low))))
        (local.set $high2 (i32x4.add (local.get $high2) (i32x4.dot_i16x8_s (local.get $b) (local.get $high))))
        (local.set $b (i16x8.extend_high_i8x16_u (local.get $a)))
        (local.set $low3 (i32x4.add (local.get $low3) (i32x4.dot_i16x8_s (local.get $b) (local.get $low))))
        (local.set $high3 (i32x4.add (local.get $high3) (i32x4.dot_i16x8_s (local.get $b) (local.get $high))))
        (br_if $taps (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
      (v128.store (local.get $out)
        (i8x16.narrow_i16x8_u
          (i16x8.narrow_i32x4_s
            (i32x4.shr_s (i32x4.add (i32x4.add (i32x4.shl (local.get $high0) (i32.const 12)) (local.get $low0)) (local.get $half)) (i32.const 22))
            (i32x4.shr_s (i32x4.add (i32x4.add (i32x4.shl (local.get $high1) (i32.const 12)) (local.get $low1)) (local.get $half)) (i32.const 22)))
          (i16x8.narrow_i32x4_s
            (i32x4.shr_s (i32x4.add (i32x4.add (i32x4.shl (local.get $high2) (i32.const 12)) (local.get $low2)) (local.get $half)) (i32.const 22))
            (i32x4.shr_s (i32x4.add (i32x4.add (i32x4.shl (local.get $high3) (i32.const 12)) (local.get $low3)) (local.get $half)) (i32.const 22)))))
      (local.set $lines (i32.add (local.get $lines) (i32.const 16)))
      (br_if $blocks
        (i32.lt_u
          (local.tee $out (i32.add (local.get $out) (i32.const 16)))
          (local.get $outEnd))))))
