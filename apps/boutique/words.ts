/** What the names and descriptions of products are made of. */

export const CATEGORIES: readonly string[] = [
  'accessories',
  'clothing',
  'footwear',
  'hair',
  'beauty',
  'decor',
  'home',
  'kitchen',
  'gardening',
  'cycling',
  'music',
  'photography',
];

export const NOUNS: Readonly<Record<string, readonly string[]>> = {
  accessories: ['sunglasses', 'watch', 'belt', 'scarf', 'wallet', 'umbrella', 'tote bag'],
  clothing: ['tank top', 'cardigan', 'raincoat', 'shirt', 'jeans', 'dress', 'pullover'],
  footwear: ['loafers', 'sandals', 'boots', 'sneakers', 'slippers', 'clogs'],
  hair: ['hairdryer', 'comb', 'hair clip', 'curling iron', 'brush'],
  beauty: ['hand cream', 'soap', 'perfume', 'lip balm', 'bath salt', 'mirror'],
  decor: ['candle holder', 'vase', 'picture frame', 'lamp', 'cushion', 'rug', 'mobile'],
  home: ['terrarium', 'clock', 'blanket', 'laundry basket', 'coat rack', 'typewriter'],
  kitchen: ['mug', 'salt & pepper shakers', 'bamboo jar', 'teapot', 'café crème set', 'chopping board', 'whisk'],
  gardening: ['air plant', 'watering can', 'planter', 'trowel', 'bird feeder', 'seed box'],
  cycling: ['city bike', 'bell', 'pannier', 'helmet', 'pump', 'repair kit'],
  music: ['record player', 'harmonica', 'ukulele', 'metronome', 'headphones'],
  photography: ['camera lens', 'film camera', 'tripod', 'camera strap', 'darkroom kit'],
};

export const MATERIALS: readonly string[] = [
  'oak',
  'glass',
  'linen',
  'wool',
  'brass',
  'ceramic',
  'leather',
  'cotton',
  'enamel',
  'bamboo',
  'cork',
  'steel',
  'paper',
  'jute',
];

export const QUALITIES: readonly string[] = [
  'vintage',
  'handmade',
  'modern',
  'sturdy',
  'light',
  'colourful',
  'minimal',
  'generous',
  'foldable',
  'classic',
  'playful',
  'quiet',
];

export const USES: readonly string[] = [
  'everyday life',
  'long weekends',
  'small flats',
  'people who travel',
  "the cook's table",
  'a present',
  'rainy days',
  'early mornings',
  'the garden & the balcony',
  'work at home',
];

/** Sentences about a product, whose noun stands for `%`. */
export const DETAILS: readonly string[] = [
  'This % is made in small numbers, so no two of them are quite alike.',
  'We have used one ourselves for three years, and it still looks as it did on its first day.',
  'Comes in a box that is <25 cm wide, made of recycled card.',
  'Our customers call it "the best % I have ever had".',
  "It's easy to clean: warm water & a soft cloth are all it takes.",
  'Designed in Malmö, made in Porto, and sold all over the world.',
  'Should your % ever break, we repair it free of charge within five years.',
  'Thanks to its simple shape it goes with anything that you own already.',
  'The surface is treated with natural oil, which smells faintly of oranges.',
  'A % like this used to be in every house; we think that it should be again.',
  'Each is checked by hand before it leaves the workshop.',
  'Weighs next to nothing, and takes up as little space.',
];
