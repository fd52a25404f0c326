// Formats 200 lines with AssemblyScript's own strings: concatenation, integers, floating-point numbers, joining.

export function setup(): void {}

export function run(): i32 {
  const lines: string[] = [];
  for (let i = 0; i < 200; i++) {
    const price: f64 = <f64>i * 1.25 + 0.1;
    lines.push(`order ${i.toString()}: ${price.toString()} EUR, reference ${(i * 2654435761).toString(16)}`);
  }
  const text = lines.join('\n').toUpperCase();
  let hash: u32 = 2166136261;
  for (let i = 0; i < text.length; i++) hash = (hash ^ text.charCodeAt(i)) * 16777619;
  // The stub runtime frees nothing by itself.
  heap.reset();
  return hash;
}
