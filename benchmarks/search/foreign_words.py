"""Words that few shops have all of: brands, goods of many trades, and names, for queries that no correction may touch.

Written down for the benchmark of spelling; half of them, by a hash of the word, chose its thresholds.
"""

BRANDS = """
adidas anker asics asus audi bacardi barbie barilla behringer birkenstock bitdefender blackdecker bmw bosch bose braun
bridgestone brompton bugaboo burberry cadbury campari canon carhartt cartier casio chanel chicco cisco citizen clarins
coke colgate columbia converse corona crocs cuisinart danone delonghi dettol dewalt diesel dior disney doritos dove
duracell dyson ecco electrolux epson eufy evian fanta ferrari ferrero festool fiat fischer fisher fossil garmin
gardena gerber giant gibson gillette gopro graco gucci guinness haier haribo hasbro havaianas heineken heinz hilti
hisense hitachi hoka honda hoover huawei huggies husqvarna hyundai ikea jabra jack jaguar jansport jbl jeep kaercher
kawasaki kenwood kitchenaid kleenex knorr kodak kohler krups lacoste lancome lavazza lego lenovo levis lexus lindt
lipton logitech loreal lululemon makita mammut marshall maserati mattel mazda meguiars melitta michelin miele milka
moen motorola moulinex nautica nescafe nespresso nestle nikon ninja nissan nivea nutella oakley olaplex oneplus oralb
oreo osram owala pampers panasonic pandora patagonia peloton pepsi peugeot philips pioneer pirelli playmobil polaroid
porsche prada pringles puma purina pyrex razer reebok remington renault ricola ritter roku rolex roomba rowenta ryobi
salomon samsonite samsung sanyo schwinn seagate seiko sennheiser shimano siemens skechers skoda smirnoff sonos stabilo
stanley starbucks stihl subaru suzuki swarovski swatch tabasco tefal thermos thule timberland tissot toblerone toshiba
toyota traeger tupperware tylenol vans varta versace vevor volvo wella whirlpool wilson wrangler xiaomi yamaha yeti
zara zippo zojirushi
"""
GOODS = """
accordion aftershave airbrush alternator amplifier anchor anvil aquarium armchair axle backpack bagpipes balaclava
banjo barbell barometer bathtub beanie bidet binoculars birdcage blazer blender blowtorch bodysuit bonsai bookcase
boxing bracelet brakes bricks bridle bulldozer bunkbed cabinet camshaft candelabra canoe cardigan carburetor catamaran
cello cement chainsaw chandelier chess chisel chopsticks clarinet cleats clutch coffin compost concrete corset couch
cradle crayon cribs crossbow crutches curtains cymbals dartboard decking dentures diapers dinghy doorbell dresser
drill drone dumbbell duvet earplugs earrings easel eyeliner fender fertilizer figurine firewood flashlight flippers
flute foundation fountain frisbee fuse garland gasket gearbox gazebo gloves goggles golf gravel greenhouse grill
grinder guitar gumboots gutter hairdryer hammer hammock handcuffs harmonica harness hatchet headboard helmet hiking
hinge hoodie horseshoe hydrant incense inflatable insulation jacket jacuzzi javelin jeans jigsaw kayak kettlebell kilt
kimono kite ladder lantern lasso lawnmower leash leggings leotard lipstick loafers locksmith lumber machete mahogany
mallet mandolin manure marble mascara mattress metronome mittens moccasins moped mower mulch muffler nailgun necklace
nightgown oboe overalls paddle paint pallet parachute parka pedal pendant perfume piano pickaxe pillow pistons playpen
plywood poncho porcelain propeller pruner puppet quilt racket radiator rake raincoat recliner rifle ring rocket
rollerblades rope rosary saddle sandals sandpaper saxophone scaffold scarf scooter scuba seedlings shovel shutters
skateboard skis sledge slippers snorkel snowboard socks sofa spanner spurs stapler stethoscope stilts stroller
sunglasses surfboard suspenders swing tambourine tarpaulin tattoo telescope tent terrarium tiara tiles tires toboggan
tractor trampoline tricycle tripod trombone trousers trowel trumpet tuxedo ukulele umbrella unicycle urn varnish veil
velvet veneer violin wallpaper wardrobe watercolor weathervane wetsuit wheelbarrow wheelchair whistle wig windshield
wok woodstove wrench wristwatch xylophone yarn yoyo zither
"""
FOOD = """
anchovies apricot artichoke asparagus avocado bagel baguette basil blackberry blueberry broccoli burrito butterscotch
cabbage caramel cardamom cashew cauliflower celery champagne chardonnay cheddar chickpeas chorizo cider cinnamon
coconut coriander couscous cranberry croissant cucumber cumin curry dumplings eggplant espresso falafel fennel feta
garlic ginger gnocchi granola guacamole halloumi hazelnut hummus jalapeno kale kebab ketchup kimchi kombucha lasagna
lavender lemonade lentils macadamia macaroni mango marzipan matcha mayonnaise merlot molasses mozzarella muesli
mushroom mustard nectarine noodles nougat oatmeal oregano oyster pancake paprika parmesan parsley pastrami pecan pesto
pistachio polenta pomegranate prosciutto pumpkin quinoa raspberry ravioli rhubarb ricotta risotto rosemary saffron
sake salami salmon sauerkraut scallops sesame shallots sherry sorbet spinach tahini tangerine tequila teriyaki thyme
tofu tortilla truffle turmeric vanilla vinegar walnut wasabi whisky yogurt zucchini
"""
NAMES = """
abigail albert alejandro alessia amelie andrzej anneke antonio astrid barack beatriz benoit bianca birgit brandon
brigitte camille carlos caroline cedric charlotte chloe clarissa connor daniela dimitri dolores eduardo eleanor emeka
emma enrique ethan evelyn fatima felix fiona francesca frida gabriel giovanni giuseppe gloria greta guillermo hannah
harald heather helmut henrietta hiroshi hugo ingrid isabella ivan jacob jasmine javier jerome joachim johanna jonas
josephine juan julia katarzyna keanu klaus kristina kumiko lars laura leonardo leticia liam lorenzo louise luca
lucille madison magdalena malcolm manuel marcel margarita mariana matilda mateo maureen mehmet miguel mohammed monique
nadia natalia nicolas nigel nikolai octavia olga oliver oscar pablo paloma patrick paulina pedro penelope philippa
pierre priya quentin rachel rafael ramona raymond rebecca ricardo roberto rodrigo rosalind rupert sabine samantha
santiago sebastian shannon siobhan sofia sophie stefan svetlana takeshi tamara teresa thibault thomas timothy ursula
valentina vanessa veronica victor vincent vladimir walter wilhelm winston xavier yasmin yolanda yusuf zachary zelda
zoe beckham churchill einstein federer hemingway jackson kennedy lincoln lopez mandela messi mozart nadal newton obama
picasso ronaldo rowling schumacher shakespeare
"""
LISTS = {"brands": BRANDS.split(), "goods": GOODS.split(), "food": FOOD.split(), "names": NAMES.split()}
