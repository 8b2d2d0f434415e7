"""The ranker: features of candidates, the history as a vector, and the network that scores them."""
