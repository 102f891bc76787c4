"""Pictures of a verification as data: sentences, figures and plots; ``html`` draws them."""
