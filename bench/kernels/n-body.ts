// Eight bodies under gravity, 100 steps: objects with f64 fields, reached through references.

class Body {
  x: f64 = 0;
  y: f64 = 0;
  z: f64 = 0;
  vx: f64 = 0;
  vy: f64 = 0;
  vz: f64 = 0;
  mass: f64 = 0;
}

const COUNT: i32 = 8;
const bodies = new StaticArray<Body>(COUNT);

export function setup(): void {
  for (let i = 0; i < COUNT; i++) bodies[i] = new Body();
}

function place(): void {
  for (let i = 0; i < COUNT; i++) {
    const body = unchecked(bodies[i]);
    body.x = <f64>((i * 3) % 8) + 0.5;
    body.y = <f64>((i * 5) % 8) - 1.5;
    body.z = <f64>((i * 7) % 8) * 0.25;
    body.vx = <f64>i * 0.01;
    body.vy = 0.05 - <f64>i * 0.01;
    body.vz = 0;
    body.mass = 1 + <f64>i * 0.125;
  }
}

function step(dt: f64): void {
  for (let i = 0; i < COUNT; i++) {
    const a = unchecked(bodies[i]);
    for (let j = i + 1; j < COUNT; j++) {
      const b = unchecked(bodies[j]);
      const dx = a.x - b.x;
      const dy = a.y - b.y;
      const dz = a.z - b.z;
      const distance2 = dx * dx + dy * dy + dz * dz + 0.01;
      const magnitude = dt / (distance2 * Math.sqrt(distance2));
      a.vx -= dx * b.mass * magnitude;
      a.vy -= dy * b.mass * magnitude;
      a.vz -= dz * b.mass * magnitude;
      b.vx += dx * a.mass * magnitude;
      b.vy += dy * a.mass * magnitude;
      b.vz += dz * a.mass * magnitude;
    }
  }
  for (let i = 0; i < COUNT; i++) {
    const body = unchecked(bodies[i]);
    body.x += dt * body.vx;
    body.y += dt * body.vy;
    body.z += dt * body.vz;
  }
}

export function run(): i32 {
  place();
  for (let i = 0; i < 100; i++) step(0.01);
  let sum: f64 = 0;
  for (let i = 0; i < COUNT; i++) {
    const body = unchecked(bodies[i]);
    sum += body.x * 3 + body.y * 5 + body.z * 7;
  }
  return <i32>(sum * 1e6);
}
