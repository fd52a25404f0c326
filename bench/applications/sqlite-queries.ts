/**
 * What SQLite runs: a small shop with 500 customers and 5,000 orders, and queries over it. Each case computes a number
 * from its rows, the same at every call, and says what it must be, computed without SQLite.
 */
import type { Database } from './sqlite.ts';

const CUSTOMERS = 500;
const ORDERS = 5000;
const COUNTRIES = ['AT', 'CH', 'DE', 'ES', 'FR', 'IT', 'NL'];

interface Customer {
  readonly id: number;
  readonly name: string;
  readonly country: string;
}

interface Order {
  readonly id: number;
  readonly customer: number;
  readonly cents: number;
  readonly note: string;
}

const customers: readonly Customer[] = Array.from({ length: CUSTOMERS }, (_, index) => ({
  id: index + 1,
  name: `Customer ${((index * 7919) % 10007).toString(36)} & Söhne`,
  country: COUNTRIES[(index * 5) % COUNTRIES.length] ?? '',
}));

const orders: readonly Order[] = Array.from({ length: ORDERS }, (_, index) => ({
  id: index + 1,
  customer: ((index * 193) % CUSTOMERS) + 1,
  cents: (index * 7907) % 100_003,
  note: `parcel ${(index * 104_729) % 65_537}, ${index % 3 === 0 ? 'express' : 'standard'} delivery`,
}));

/** Creates and fills the tables. */
export function fill(database: Database): void {
  database.exec('CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, country TEXT NOT NULL)');
  database.exec('CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER, cents INTEGER, note TEXT)');
  database.exec('CREATE INDEX orders_by_customer ON orders (customer)');
  database.exec('CREATE TABLE log (id INTEGER PRIMARY KEY, message TEXT)');
  database.exec('BEGIN');
  const insertCustomer = database.prepare('INSERT INTO customers VALUES (?, ?, ?)');
  for (const { id, name, country } of customers) {
    insertCustomer.bindInteger(1, id);
    insertCustomer.bindText(2, name);
    insertCustomer.bindText(3, country);
    insertCustomer.each(() => {});
  }
  const insertOrder = database.prepare('INSERT INTO orders VALUES (?, ?, ?, ?)');
  for (const { id, customer, cents, note } of orders) {
    insertOrder.bindInteger(1, id);
    insertOrder.bindInteger(2, customer);
    insertOrder.bindInteger(3, cents);
    insertOrder.bindText(4, note);
    insertOrder.each(() => {});
  }
  database.exec('COMMIT');
}

export interface Query {
  /** Prepares it; the result runs it once. */
  readonly prepare: (database: Database) => () => number;
  readonly expected: () => number;
}

const sum = (numbers: Iterable<number>): number => [...numbers].reduce((total, number) => total + number, 0);

const insert: Query = {
  prepare: (database) => {
    const statement = database.prepare('INSERT INTO log (message) VALUES (?)');
    const count = database.prepare('SELECT count(*), sum(length(message)) FROM log');
    return () => {
      database.exec('BEGIN');
      for (let index = 0; index < 100; index++) {
        statement.bindText(1, `message number ${index}`);
        statement.each(() => {});
      }
      let result = 0;
      count.each(() => {
        result = count.number(0) * 10_000 + count.number(1);
      });
      database.exec('ROLLBACK');
      return result;
    };
  },
  expected: () => 100 * 10_000 + 100 * 'message number '.length + 10 + 2 * 90,
};

const select: Query = {
  prepare: (database) => {
    const statement = database.prepare('SELECT customer, cents, note FROM orders WHERE id = ?');
    return () => {
      let result = 0;
      for (let index = 0; index < 200; index++) {
        statement.bindInteger(1, ((index * 37) % ORDERS) + 1);
        statement.each(() => {
          result += statement.number(0) + statement.number(1) + statement.bytes(2);
        });
      }
      return result;
    };
  },
  expected: () =>
    sum(
      Array.from({ length: 200 }, (_, index) => {
        const order = orders[(index * 37) % ORDERS];
        return order ? order.customer + order.cents + Buffer.byteLength(order.note) : Number.NaN;
      }),
    ),
};

const aggregate: Query = {
  prepare: (database) => {
    const statement = database.prepare(
      'SELECT id % 10 AS digit, count(*), sum(cents), max(cents) FROM orders GROUP BY digit HAVING sum(cents) > 0',
    );
    return () => {
      let result = 0;
      statement.each(() => {
        result += (statement.number(0) + 1) * (statement.number(1) + statement.number(2) + statement.number(3));
      });
      return result;
    };
  },
  expected: () =>
    sum(
      [...Map.groupBy(orders, ({ id }) => id % 10)].map(
        ([digit, group]) =>
          (digit + 1) *
          (group.length + sum(group.map(({ cents }) => cents)) + Math.max(...group.map(({ cents }) => cents))),
      ),
    ),
};

const join: Query = {
  prepare: (database) => {
    const statement = database.prepare(
      `SELECT customers.name, sum(orders.cents) FROM customers JOIN orders ON orders.customer = customers.id
       WHERE customers.country = 'DE' GROUP BY customers.id`,
    );
    return () => {
      let result = 0;
      statement.each(() => {
        result += statement.text(0).length + statement.number(1);
      });
      return result;
    };
  },
  expected: () => {
    const german = customers.filter(({ country }) => country === 'DE');
    const ids = new Set(german.map(({ id }) => id));
    return (
      sum(german.map(({ name }) => name.length)) +
      sum(orders.filter(({ customer }) => ids.has(customer)).map(({ cents }) => cents))
    );
  },
};

const order: Query = {
  prepare: (database) => {
    const statement = database.prepare('SELECT id, note FROM orders WHERE cents > 50000 ORDER BY note, id DESC');
    return () => {
      let result = 0;
      let place = 0;
      statement.each(() => {
        place++;
        if (place % 16 === 1) result += statement.number(0) * place;
      });
      return result;
    };
  },
  expected: () =>
    sum(
      orders
        .filter(({ cents }) => cents > 50_000)
        .sort((a, b) => (a.note === b.note ? b.id - a.id : a.note < b.note ? -1 : 1))
        .map(({ id }, index) => (index % 16 === 0 ? id * (index + 1) : 0)),
    ),
};

const text: Query = {
  prepare: (database) => {
    const statement = database.prepare(
      `SELECT count(*), sum(length(upper(note)) + instr(note, ',')) FROM orders WHERE note LIKE '%7%express%'`,
    );
    return () => {
      let result = 0;
      statement.each(() => {
        result = statement.number(0) * 1_000_000 + statement.number(1);
      });
      return result;
    };
  },
  expected: () => {
    const found = orders.filter(({ note }) => /7.*express/.test(note));
    return found.length * 1_000_000 + sum(found.map(({ note }) => note.length + note.indexOf(',') + 1));
  },
};

/** By name of the case. */
export const QUERIES: Readonly<Record<string, Query>> = { insert, select, aggregate, join, order, text };
