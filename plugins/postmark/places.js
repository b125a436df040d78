// Where letters are posted, and how the date is written there.

import { random } from 'docgenie-plugin';

const two = (number) => String(number).padStart(2, '0');
const ROMAN = ['I', 'II', 'III', 'IV', 'V', 'VI', 'VII', 'VIII', 'IX', 'X', 'XI', 'XII'];
const ENGLISH = ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC'];

const points = (day, month, year) => `${two(day)}.${two(month)}.${two(year % 100)}`;
const dashes = (day, month, year) => `${day}-${month}-${year}`;
const slashes = (day, month, year) => `${two(day)}/${two(month)}/${year}`;
const roman = (day, month, year) => `${day}.${ROMAN[month - 1]}.${year}`;
const named = (day, month, year) => `${day} ${ENGLISH[month - 1]} ${year}`;
const eastern = (day, month, year) => `${year}.${two(month)}.${two(day)}`;

const BY_LANGUAGE = {
  ar: [['القاهرة', 'الإسكندرية', 'الرياض', 'عمان'], slashes],
  de: [['BERLIN', 'HAMBURG', 'MÜNCHEN', 'BAD HOMBURG', 'GÖTTINGEN'], points],
  en: [['LONDON', 'BRISTOL', 'EDINBURGH', 'OXFORD', 'LEEDS'], named],
  es: [['MADRID', 'SEVILLA', 'VALENCIA', 'BILBAO'], slashes],
  fr: [['PARIS', 'LYON', 'NANTES', 'BORDEAUX'], dashes],
  hi: [['दिल्ली', 'मुंबई', 'जयपुर', 'लखनऊ'], dashes],
  it: [['ROMA', 'TORINO', 'BOLOGNA', 'NAPOLI'], points],
  ja: [['東京中央', '大阪', '京都', '札幌'], eastern],
  nl: [['UTRECHT', 'ROTTERDAM', 'LEIDEN', 'DEN HAAG'], dashes],
  pl: [['KRAKÓW', 'GDAŃSK', 'POZNAŃ', 'WARSZAWA'], roman],
  pt: [['LISBOA', 'PORTO', 'COIMBRA', 'BRAGA'], slashes],
  ru: [['МОСКВА', 'КАЗАНЬ', 'ТВЕРЬ', 'САМАРА'], points],
  tr: [['İSTANBUL', 'ANKARA', 'İZMİR', 'BURSA'], points],
  zh: [['北京', '上海', '广州', '杭州'], eastern],
};

// Content is `PLACE`, `PLACE|DATE` or empty; what it does not say is drawn by lot.
export function placeAndDate({ content, language }) {
  const [places, dated] = BY_LANGUAGE[language.split('-')[0]] ?? BY_LANGUAGE.en;
  const [day, month] = [1 + Math.floor(random.between(0, 28)), 1 + Math.floor(random.between(0, 12))];
  const drawn = [random.pick(places), dated(day, month, Math.floor(random.between(1985, 2025)))];
  const [place, date] = content.split('|').map((part) => part.trim().replace(/\s+/g, ' '));
  return { place: place || drawn[0], date: date || drawn[1] };
}
