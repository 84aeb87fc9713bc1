"""Programs of several processes: how they find each other, and what sums, spreads and collects arrays over them."""
