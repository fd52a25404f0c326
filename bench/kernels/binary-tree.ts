// Builds a search tree of 2,000 nodes from a free list, looks up as many keys, and walks it recursively.

class Node {
  left: Node | null = null;
  right: Node | null = null;
  key: u32 = 0;
  value: u32 = 0;
}

const COUNT: i32 = 2000;
const pool = new StaticArray<Node>(COUNT);

export function setup(): void {
  for (let i = 0; i < COUNT; i++) pool[i] = new Node();
}

function insert(root: Node | null, node: Node): Node {
  if (!root) return node;
  let at: Node = root;
  while (true) {
    const next = node.key < at.key ? at.left : at.right;
    if (next) {
      at = next;
      continue;
    }
    if (node.key < at.key) at.left = node;
    else at.right = node;
    return root;
  }
}

function find(root: Node | null, key: u32): u32 {
  let at = root;
  while (at) {
    if (at.key === key) return at.value;
    at = key < at.key ? at.left : at.right;
  }
  return 0;
}

function walk(node: Node | null, sum: u32): u32 {
  if (!node) return sum;
  return walk(node.right, walk(node.left, sum) * 31 + node.value);
}

export function run(): i32 {
  let root: Node | null = null;
  let x: u32 = 17;
  for (let i = 0; i < COUNT; i++) {
    x = x * 1664525 + 1013904223;
    const node = unchecked(pool[i]);
    node.left = null;
    node.right = null;
    node.key = x >> 8;
    node.value = i;
    root = insert(root, node);
  }
  let sum: u32 = 0;
  x = 17;
  for (let i = 0; i < COUNT; i++) {
    x = x * 1664525 + 1013904223;
    sum = sum * 31 + find(root, x >> 8);
  }
  return walk(root, sum);
}
