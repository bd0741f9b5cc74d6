"""Words that ask, or join other words, and say nothing about what is asked.

A question is made of them as much as of its subject, and few of them stand in a document:
`who`, `does` and `when` are rare there, so that BM25 takes them for the rarest words of the
question. They are left out of what is searched, never out of what is indexed. Each list is
short on purpose: a word that may be a subject (`state`, `number`, `will` as a document) costs
more when it is missing than a word like it costs when it stays.
"""

from __future__ import annotations

_LISTS = {
    "ar": "ما ماذا من متى أين كيف كم لماذا هل أي أية هو هي هم هذا هذه ذلك تلك الذي التي الذين في "
    "على إلى عن مع أن إن كان كانت يكون تكون قد لقد ثم أو و لا لم لن بين عند بعد قبل كل",
    "da": "hvad hvem hvor hvornår hvordan hvorfor hvilken hvilket hvilke er var blev bliver har "
    "havde kan skal vil den det de en et og eller i på af til fra for med om som at ikke "
    "der sin",
    "de": "was wer wen wem wessen wo wohin woher wann wie warum weshalb wieso welche welcher "
    "welches welchen welchem ist sind war waren wird werden wurde wurden hat haben hatte "
    "hatten kann können der die das den dem des ein eine einer eines einem einen und oder "
    "in im an am auf aus bei von vom zu zum zur mit für über unter nach nicht auch sich es "
    "er sie wir ich man als dass ob durch",
    "el": "τι ποιος ποια ποιο ποιοι ποιες ποιον ποιου πού που πότε πώς πως πόσο πόσα πόσοι πόσες "
    "γιατί είναι ήταν έχει είχε ο η το οι τα του της των τον την τους τις ένας μια ένα και "
    "ή σε στο στη στην στον στους στις στα από με για να θα δεν ως κατά",
    "en": "a an and are as at be been being but by can could did do does doing for from had has "
    "have having he her his how i if in into is it its me my of on or our she should so "
    "than that the their them then there these they this those to us was we were what when "
    "where which who whom whose why will with would you your about",
    "es": "qué quién quiénes cuál cuáles cuándo cuánto cuánta cuántos cuántas dónde cómo que "
    "quien cual cuando cuanto donde como por para es son era eran fue fueron ser está están "
    "ha han había el la los las un una unos unas y o u e de del al a en con sin sobre se su "
    "sus lo le les no más",
    "fi": "mikä mitä missä mistä mihin milloin miten miksi kuka ketä kenen kuinka onko on oli "
    "ovat olivat ja tai että se ne hän he tämä joka jotka kun ei",
    "fr": "que quoi qui quel quelle quels quelles quand où comment pourquoi combien est sont "
    "était étaient fut être a ont avait avaient le la les l un une des du de d et ou à au "
    "aux en dans par pour sur avec sans ce cette ces se s son sa ses il elle ils elles on "
    "ne pas plus qu c",
    "hi": "क्या कौन कौनसा कौनसी किस किसने किसे किसके किसकी किसका कब कहाँ कहां कैसे क्यों कितना "
    "कितने कितनी है हैं था थे थी हो होता होती होते का के की को से में पर ने और या यह वह ये "
    "वे जो एक भी ही तक लिए",
    "hu": "mi mit ki kit mikor hol hova honnan hogyan miért melyik mennyi hány van volt voltak a "
    "az egy és vagy hogy nem is",
    "it": "che cosa chi quale quali quando dove come perché quanto quanta quanti quante è sono "
    "era erano fu furono essere ha hanno aveva il lo la i gli le l un uno una e o di del "
    "della dei delle dello degli a al alla ai alle da dal dalla in nel nella con su sul "
    "sulla per tra fra si suo sua non più",
    "nl": "wat wie wiens waar waarom wanneer hoe hoeveel welk welke is zijn was waren wordt "
    "worden werd werden heeft hebben had hadden kan kunnen de het een en of in op aan van "
    "voor met door bij naar uit over om te dat die dit deze niet er als",
    "no": "hva hvem hvor når hvordan hvorfor hvilken hvilket hvilke er var ble blir har hadde kan "
    "skal vil den det de en et ei og eller i på av til fra for med om som at ikke der",
    "pl": "co kto kogo komu kiedy gdzie jak dlaczego ile który która które którego której jaki "
    "jaka jakie jest są był była było były i lub oraz w we na z ze do od o po przez dla się "
    "nie to że",
    "pt": "que quem qual quais quando quanto quanta quantos quantas onde como por para é são era "
    "eram foi foram ser está estão tem têm tinha o a os as um uma uns umas e ou de do da "
    "dos das ao aos à às em no na nos nas com sem sobre se seu sua não mais",
    "ro": "ce cine care când cum unde cât câtă câți câte de la în pe cu din pentru prin este sunt "
    "era erau fost fi a au avea al ai ale lui un o unei unui și sau că să se nu mai",
    "ru": "что кто кого кому чем какой какая какое какие каким какую когда где куда откуда как "
    "почему зачем сколько чей является был была было были есть и или а в во на с со из к ко "
    "у о об от до по за для при не это этот эта эти тот та те он она они его её их который "
    "которая которые ли бы",
    "sv": "vad vem vems var vart när hur varför vilken vilket vilka är blev blir har hade kan ska "
    "skall den det de en ett och eller i på av till från för med om som att inte",
    "tr": "ne kim kime kimin nerede nereye nereden zaman nasıl niçin neden niye kaç hangi hangisi "
    "hangileri mi mı mu mü midir mıdır ve veya ile bir bu şu o de da için olan olarak "
    "vardır",
    "vi": "gì ai đâu nào sao mấy bao nhiêu khi là và hoặc của ở trong trên cho với từ đến các "
    "những một này đó được bị đã đang sẽ có không thì mà",
}

STOPWORDS: dict[str, frozenset[str]] = {
    language: frozenset(words.casefold().split()) for language, words in _LISTS.items()
}
"""By ISO 639-1 code of the language; case folded."""
