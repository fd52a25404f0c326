/** What the demo's shop sells. Made once, when `catalog` is deployed; each invocation starts with it in place. */

export class Product {
  constructor(
    readonly sku: string,
    readonly name: string,
    /** Without tax, in cents of euro. */
    readonly price: i32,
    /** With packaging. */
    readonly grams: i32,
    /** Class of value added tax: "standard" or "books". */
    readonly taxClass: string,
  ) {}
}

const STANDARD = 'standard';
const BOOKS = 'books';

export const PRODUCTS: Product[] = [
  // Books
  new Product('BK-1001', 'The Sea Between Two Harbours (hardcover)', 2290, 540, BOOKS),
  new Product('BK-1002', 'Wasm from the Inside', 3450, 720, BOOKS),
  new Product('BK-1003', 'Bread: Forty Doughs and One Oven', 2675, 860, BOOKS),
  new Product('BK-1004', 'A Short History of the Ladder', 1490, 310, BOOKS),
  new Product('BK-1005', 'Pocket Guide to Alpine Flowers', 1120, 190, BOOKS),
  new Product('BK-1006', 'Mañana, mañana: Spanish for Optimists', 1980, 430, BOOKS),
  new Product('BK-1007', 'Garden Birds of Europe', 2410, 650, BOOKS),
  new Product('BK-1008', 'Queues, Locks and Other Waiting Rooms', 4190, 780, BOOKS),
  new Product('BK-1009', 'Fünf Freunde und ein Fährschiff', 980, 280, BOOKS),
  new Product('BK-1010', "The Cartographer's Apprentice", 1390, 340, BOOKS),
  new Product('BK-1011', 'Sourdough Crosswords, Volume 3', 790, 210, BOOKS),
  new Product('BK-1012', 'Atlas of Forgotten Railways', 5850, 2100, BOOKS),
  // Stationery
  new Product('ST-2001', 'Notebook A5, dotted, 192 pages', 1092, 320, STANDARD),
  new Product('ST-2002', 'Notebook A4, squared, 160 pages', 1345, 560, STANDARD),
  new Product('ST-2003', 'Fountain pen, steel nib M', 3277, 90, STANDARD),
  new Product('ST-2004', 'Ink bottle 50 ml, blue-black', 924, 210, STANDARD),
  new Product('ST-2005', 'Pencils HB, box of 12', 605, 110, STANDARD),
  new Product('ST-2006', 'Desk calendar, perpetual, beech', 2605, 640, STANDARD),
  new Product('ST-2007', 'Paper tape, 5 rolls', 420, 95, STANDARD),
  new Product('ST-2008', 'Envelopes C6, recycled, 50 pieces', 546, 280, STANDARD),
  new Product('ST-2009', 'Drawing pad A3, 180 g/m²', 1512, 940, STANDARD),
  new Product('ST-2010', 'Watercolour set, 24 half pans', 4874, 480, STANDARD),
  // Kitchen
  new Product('KI-3001', 'Coffee grinder, hand, steel burrs', 6714, 780, STANDARD),
  new Product('KI-3002', 'Pour-over dripper, porcelain', 2017, 520, STANDARD),
  new Product('KI-3003', 'Paper filters, size 4, 100 pieces', 336, 160, STANDARD),
  new Product('KI-3004', 'Cast-iron pan, 28 cm', 4958, 2950, STANDARD),
  new Product('KI-3005', 'Bread knife, 22 cm', 3773, 240, STANDARD),
  new Product('KI-3006', 'Cutting board, oak, 40 × 28 cm', 3352, 1850, STANDARD),
  new Product('KI-3007', 'Proofing basket, oval, 1 kg', 1504, 380, STANDARD),
  new Product('KI-3008', 'Kitchen scale, 0.1 g to 3 kg', 2344, 610, STANDARD),
  new Product('KI-3009', 'Tea pot with strainer, 1.2 l', 2941, 1100, STANDARD),
  new Product('KI-3010', 'Enamel mug, 350 ml, green', 1084, 190, STANDARD),
  new Product('KI-3011', 'Preserving jars, 0.5 l, set of 6', 1756, 2700, STANDARD),
  new Product('KI-3012', 'Salt mill, walnut', 2479, 330, STANDARD),
  // Electronics
  new Product('EL-4001', 'USB-C charger, 65 W', 3269, 180, STANDARD),
  new Product('EL-4002', 'USB-C cable, 2 m, braided', 1168, 80, STANDARD),
  new Product('EL-4003', 'Mechanical keyboard, 84 keys', 8395, 940, STANDARD),
  new Product('EL-4004', 'Trackball, wireless', 5034, 310, STANDARD),
  new Product('EL-4005', 'Headphones, closed, wired', 10916, 420, STANDARD),
  new Product('EL-4006', 'LED desk lamp, 2700–5000 K', 4622, 1250, STANDARD),
  new Product('EL-4007', 'Rechargeable cells AA, 4 pieces', 1336, 130, STANDARD),
  new Product('EL-4008', 'Single-board computer, 8 GB', 7487, 110, STANDARD),
  new Product('EL-4009', 'microSD card, 128 GB', 1420, 20, STANDARD),
  new Product('EL-4010', 'Network switch, 8 ports', 2764, 520, STANDARD),
  new Product('EL-4011', 'Soldering iron, adjustable', 5538, 690, STANDARD),
  new Product('EL-4012', 'Bench power supply, 30 V, 5 A', 9664, 4800, STANDARD),
  // Outdoors
  new Product('OU-5001', 'Rucksack, 26 l, waxed canvas', 10916, 1300, STANDARD),
  new Product('OU-5002', 'Water bottle, steel, 0.75 l', 2101, 340, STANDARD),
  new Product('OU-5003', 'Head torch, 400 lm', 3353, 120, STANDARD),
  new Product('OU-5004', 'Rain jacket, unisex, M', 11756, 480, STANDARD),
  new Product('OU-5005', 'Wool socks, 2 pairs, 39–42', 1672, 150, STANDARD),
  new Product('OU-5006', 'Camping stove, gas', 2941, 410, STANDARD),
  new Product('OU-5007', 'Hammock with straps', 5034, 900, STANDARD),
  new Product('OU-5008', 'Compass with mirror', 2605, 90, STANDARD),
  new Product('OU-5009', 'Bicycle repair set', 1924, 560, STANDARD),
  new Product('OU-5010', 'Bicycle pump with gauge', 2689, 1150, STANDARD),
  // Garden
  new Product('GA-6001', 'Secateurs, bypass', 3184, 290, STANDARD),
  new Product('GA-6002', 'Watering can, zinc, 9 l', 3773, 1900, STANDARD),
  new Product('GA-6003', 'Seed box: ten old tomato varieties', 1252, 70, STANDARD),
  new Product('GA-6004', 'Potting soil without peat, 40 l', 924, 15800, STANDARD),
];
