/**
 * What the shop's pages and mails are made of: constant text, between which the frontend and the email service write what
 * is different each time. Compiled twice: into the functions, and into the model that checks them.
 */

export const PAGE_TITLE: string = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>`;

export const PAGE_STYLE: string = ` · Online Boutique</title>
<style>
body { margin: 0; font: 16px/1.5 system-ui, sans-serif; color: #222; }
header { display: flex; gap: 1rem; align-items: center; padding: 1rem 2rem; background: #f4f1ec; }
header a { color: inherit; text-decoration: none; }
header .brand { flex: 1; font-size: 1.25rem; font-weight: 600; }
main { max-width: 60rem; margin: 0 auto; padding: 2rem; }
.products { display: grid; grid-template-columns: repeat(auto-fill, minmax(12rem, 1fr)); gap: 1.5rem; }
.products img { width: 100%; }
.price { font-weight: 600; }
.ad { padding: 0.75rem 1rem; background: #eef4f1; }
table { width: 100%; border-collapse: collapse; }
td, th { padding: 0.5rem; border-bottom: 1px solid #ddd; text-align: left; }
footer { padding: 1rem 2rem; color: #777; font-size: 0.875rem; }
</style>
</head>
<body>
<header>
<a class="brand" href="/">Online Boutique</a>
<form method="post" action="/set-currency"><select name="currency">
`;

export const CURRENCY_OPTION: string = '<option value="';
export const CURRENCY_SELECTED: string = '" selected>';
export const CURRENCY_OTHER: string = '">';
export const CURRENCY_END: string = '</option>\n';
export const CART_LINK: string = '</select></form>\n<a href="/cart">Cart (';
export const MAIN: string = ')</a>\n</header>\n<main>\n';

export const AD: string = '<p class="ad">Ad: <a href="';
export const AD_TEXT: string = '">';
export const AD_END: string = '</a></p>\n';

export const FOOTER: string = `</main>
<footer>
<p>Prices include what is due at the till. This shop is a demonstration and sells nothing.</p>
<p>session `;
export const FOOTER_REQUEST: string = ' · request ';
export const PAGE_END: string = '</p>\n</footer>\n</body>\n</html>\n';

export const HOME_HEADING: string = '<h1>Hot products</h1>\n';
export const SEARCH_HEADING: string = '<h1>Results for “';
export const SEARCH_COUNT: string = '”</h1>\n<p>';
export const SEARCH_FOUND: string = ' found</p>\n';
export const PRODUCTS: string = '<div class="products">\n';
export const PRODUCTS_END: string = '</div>\n';
export const CARD: string = '<a class="product" href="/product/';
export const CARD_PICTURE: string = '"><img alt="" src="/static/';
export const CARD_NAME: string = '"><div>';
export const CARD_PRICE: string = '</div><div class="price">';
export const CARD_END: string = '</div></a>\n';
export const PAGES: string = '<nav>';
export const PAGES_OF: string = ' of ';
export const PAGES_END: string = '</nav>\n';

export const PRODUCT_HEADING: string = '<article>\n<img alt="" src="/static/';
export const PRODUCT_NAME: string = '">\n<h1>';
export const PRODUCT_PRICE: string = '</h1>\n<p class="price">';
export const PRODUCT_DESCRIPTION: string = '</p>\n<p>';
export const PRODUCT_CATEGORIES: string = '</p>\n<p class="categories">';
export const PRODUCT_FORM: string = `</p>
<form method="post" action="/cart">
<input type="hidden" name="product" value="`;
export const PRODUCT_END: string = `">
<select name="quantity"><option>1</option><option>2</option><option>3</option><option>5</option><option>10</option></select>
<button>Add to cart</button>
</form>
</article>
`;
export const RECOMMENDATIONS: string = '<h2>You may also like</h2>\n<div class="products">\n';

export const CART_HEADING: string = '<h1>Cart</h1>\n';
export const CART_EMPTY: string = '<p>Your cart is empty. Items you add to it will appear here.</p>\n';
export const CART_TABLE: string = '<table>\n<tr><th>Product</th><th>SKU</th><th>Quantity</th><th>Price</th></tr>\n';
export const CART_ROW: string = '<tr><td><a href="/product/';
export const CART_NAME: string = '">';
export const CART_SKU: string = '</a></td><td>#';
export const CART_QUANTITY: string = '</td><td>';
export const CART_PRICE: string = '</td><td class="price">';
export const CART_ROW_END: string = '</td></tr>\n';
export const CART_SHIPPING: string = '<tr><td colspan="3">Shipping</td><td class="price">';
export const CART_TOTAL: string = '</td></tr>\n<tr><td colspan="3">Total</td><td class="price">';
export const CART_TABLE_END: string = '</td></tr>\n</table>\n';
export const CART_FORM: string = `<form method="post" action="/checkout">
<label>Email <input name="email" type="email"></label>
<label>Street <input name="street"></label>
<label>ZIP <input name="zip"></label>
<label>City <input name="city"></label>
<label>State <input name="state"></label>
<label>Country <input name="country"></label>
<label>Card <input name="number" autocomplete="cc-number"></label>
<label>Month <input name="month" type="number" min="1" max="12"></label>
<label>Year <input name="year" type="number"></label>
<label>CVV <input name="cvv" type="password" autocomplete="off"></label>
<button>Place order</button>
</form>
<form method="post" action="/cart/empty"><button>Empty cart</button></form>
`;

export const ORDER_HEADING: string = '<h1>Your order is complete!</h1>\n<p>We have sent a confirmation to ';
export const ORDER_ID: string = '.</p>\n<dl>\n<dt>Confirmation</dt><dd id="order">';
export const ORDER_TRACKING: string = '</dd>\n<dt>Tracking</dt><dd id="tracking">';
export const ORDER_TRANSACTION: string = '</dd>\n<dt>Payment</dt><dd id="transaction">';
export const ORDER_SHIPPING: string = '</dd>\n<dt>Shipping</dt><dd>';
export const ORDER_TOTAL: string = '</dd>\n<dt>Total paid</dt><dd class="price">';
export const ORDER_END: string = '</dd>\n</dl>\n';

export const MAIL_TO: string = 'To: ';
export const MAIL_SUBJECT: string = '\nFrom: orders@boutique.example\nSubject: Your order ';
export const MAIL_GREETING: string = `
Content-Type: text/plain; charset=utf-8

Thank you for your order!

Order     `;
export const MAIL_TRACKING: string = '\nTracking  ';
export const MAIL_ITEMS: string = '\n\n';
export const MAIL_TIMES: string = ' × #';
export const MAIL_COST: string = '  ';
export const MAIL_EACH: string = ' each\n';
export const MAIL_SHIPPING: string = '\nShipping  ';
export const MAIL_TOTAL: string = '\nTotal     ';
export const MAIL_ADDRESS: string = '\n\nWe deliver to\n\n';
export const MAIL_END: string = '\n\nOnline Boutique\n';
