/** What hotels, attractions and guests are called, and where they are. */

export interface City {
  readonly name: string;
  readonly state: string;
  readonly country: string;
  readonly latitude: number;
  readonly longitude: number;
  /** How many hotels it has, compared with others. */
  readonly size: number;
}

function city(name: string, state: string, country: string, at: readonly [number, number], size: number): City {
  return { name, state, country, latitude: at[0], longitude: at[1], size };
}

export const CITIES: readonly City[] = [
  city('San Francisco', 'CA', 'United States', [37.7749, -122.4194], 10),
  city('New York', 'NY', 'United States', [40.7306, -73.9866], 14),
  city('Boston', 'MA', 'United States', [42.3601, -71.0589], 6),
  city('Chicago', 'IL', 'United States', [41.8781, -87.6298], 8),
  city('Seattle', 'WA', 'United States', [47.6062, -122.3321], 5),
  city('New Orleans', 'LA', 'United States', [29.9511, -90.0715], 4),
  city('Montréal', 'QC', 'Canada', [45.5019, -73.5674], 5),
  city('Vancouver', 'BC', 'Canada', [49.2827, -123.1207], 4),
  city('Ciudad de México', '', 'México', [19.4326, -99.1332], 7),
  city('Buenos Aires', '', 'Argentina', [-34.6037, -58.3816], 5),
  city('São Paulo', 'SP', 'Brasil', [-23.5505, -46.6333], 6),
  city('Lima', '', 'Perú', [-12.0464, -77.0428], 3),
  city('London', '', 'United Kingdom', [51.5072, -0.1276], 14),
  city('Edinburgh', '', 'United Kingdom', [55.9533, -3.1883], 4),
  city('Dublin', '', 'Ireland', [53.3498, -6.2603], 4),
  city('Paris', '', 'France', [48.8566, 2.3522], 13),
  city('Lyon', '', 'France', [45.764, 4.8357], 3),
  city('Berlin', '', 'Deutschland', [52.52, 13.405], 9),
  city('München', 'BY', 'Deutschland', [48.1351, 11.582], 7),
  city('Hamburg', '', 'Deutschland', [53.5511, 9.9937], 5),
  city('Zürich', 'ZH', 'Schweiz', [47.3769, 8.5417], 4),
  city('Wien', '', 'Österreich', [48.2082, 16.3738], 7),
  city('Praha', '', 'Česko', [50.0755, 14.4378], 6),
  city('Roma', 'RM', 'Italia', [41.9028, 12.4964], 10),
  city('Venezia', 'VE', 'Italia', [45.4408, 12.3155], 6),
  city('Barcelona', '', 'España', [41.3874, 2.1686], 9),
  city('Madrid', '', 'España', [40.4168, -3.7038], 8),
  city('Lisboa', '', 'Portugal', [38.7223, -9.1393], 6),
  city('Kraków', '', 'Polska', [50.0647, 19.945], 4),
  city('København', '', 'Danmark', [55.6761, 12.5683], 4),
  city('Stockholm', '', 'Sverige', [59.3293, 18.0686], 4),
  city('Αθήνα', '', 'Ελλάδα', [37.9838, 23.7275], 6),
  city('İstanbul', '', 'Türkiye', [41.0082, 28.9784], 9),
  city('Cape Town', '', 'South Africa', [-33.9249, 18.4241], 4),
  city('Nairobi', '', 'Kenya', [-1.2921, 36.8219], 3),
  city('Mumbai', 'MH', 'India', [19.076, 72.8777], 7),
  city('Singapore', '', 'Singapore', [1.3521, 103.8198], 7),
  city('東京', '', '日本', [35.6762, 139.6503], 13),
  city('京都', '', '日本', [35.0116, 135.7681], 5),
  city('서울', '', '대한민국', [37.5665, 126.978], 8),
  city('Sydney', 'NSW', 'Australia', [-33.8688, 151.2093], 7),
  city('Suva', '', 'Fiji', [-18.1248, 178.4501], 1),
];

export const HOTEL_ADJECTIVES: readonly string[] = [
  'Grand',
  'Royal',
  'Little',
  'Old',
  'New',
  'Golden',
  'Quiet',
  'Park',
  'Harbour',
  'Central',
];
export const HOTEL_NOUNS: readonly string[] = [
  'Palace',
  'Lodge',
  'Inn',
  'House',
  'Garden',
  'Plaza',
  'Residence',
  'Terrace',
  'Corner',
  'Court',
];
export const STREETS: readonly string[] = [
  'Station Road',
  'Market Street',
  'Hill Street',
  'Rue de la Paix',
  'Hauptstraße',
  'Via Roma',
  'Calle Mayor',
  'Oak Avenue',
  'Quai du Nord',
  'Bridge Lane',
];
export const HOTEL_DETAILS: readonly string[] = [
  'Five minutes on foot from the main station.',
  'All rooms look out on a quiet courtyard with old trees.',
  'Breakfast is served until noon, with bread from the bakery next door.',
  'The roof terrace has a view over the whole city.',
  'Renovated last year, with a bath & a desk in each room.',
  'Family-run since 1931; the fourth generation is at the desk now.',
  'Bicycles can be borrowed free of charge.',
  'There is a sauna, a small pool, and a library with "real" books.',
];
export const GUESTS: readonly string[] = [
  'Ada',
  'Grace',
  'Mary',
  'Alan',
  'Edsger',
  'Barbara',
  'Zoë',
  'José',
  'Jürgen',
  'Noor',
  'Mei',
  'Kofi',
  'Søren',
  'Łukasz',
];
export const REVIEW_SENTENCES: readonly string[] = [
  'We would come again.',
  'The staff went out of their way to help us.',
  'Our room was small, but clean and quiet.',
  'Breakfast was the best part of it.',
  "The lift didn't work for two days.",
  'It is close to everything, yet calm at night.',
  'A bit dear for what you get.',
  'The bed was so good that we overslept twice.',
  'They call it a "sea view"; bring a telescope.',
  'Check-in took two minutes, check-out one.',
];

export const RESTAURANT_KINDS: readonly string[] = [
  'bistro',
  'ramen',
  'pizzeria',
  'curry house',
  'taquería',
  'café',
  'steakhouse',
  'vegetarian',
  'seafood',
  'bakery',
];
export const MUSEUM_KINDS: readonly string[] = [
  'art',
  'history',
  'technology',
  'natural history',
  'design',
  'photography',
];
export const CINEMA_KINDS: readonly string[] = ['multiplex', 'arthouse', 'open air'];
