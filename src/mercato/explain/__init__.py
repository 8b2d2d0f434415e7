"""Why a product is where it is: what each stage gave it, what matched, what moved it, in numbers and in one line."""
